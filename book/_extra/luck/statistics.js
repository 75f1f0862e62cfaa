/** The package's rule for turning a difference into a verdict (`verdicts.rules.decide`), for one
 * claim, "above", tested alone. Differences are in percentage points, one per seed. */

export const MARGIN = 0.3; // points: the smallest difference that matters
const LEVEL = 0.05;

/** Returns the logarithm of the gamma function by Lanczos' approximation. @param {number} x above 0 */
function logGamma(x) {
  const terms = [
    676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
    12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ]; // prettier-ignore
  const sum = terms.reduce((all, term, i) => all + term / (x + i), 0.99999999999980993);
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

/**
 * Returns the regularised incomplete beta function by its continued fraction (DLMF 8.17.22).
 * @param {number} x 0 to 1 @param {number} a @param {number} b
 * @returns {number}
 */
function beta(x, a, b) {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - beta(1 - x, b, a);
  const front = Math.exp(
    logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x),
  );
  let [c, d] = [1, 1 / (1 - ((a + b) * x) / (a + 1))];
  let fraction = d;
  for (let m = 1; m < 500; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    let change = 1;
    for (const term of [even, odd]) {
      d = 1 / (1 + term * d);
      c = 1 + term / c;
      change = c * d;
      fraction *= change;
    }
    if (Math.abs(change - 1) < 1e-15) break;
  }
  return (front * fraction) / a;
}

/** Returns the chance that Student's t exceeds a value. @param {number} t @param {number} df */
export function above(t, df) {
  const half = beta(df / (df + t * t), df / 2, 0.5) / 2;
  return t < 0 ? 1 - half : half;
}

/**
 * Returns the value that Student's t exceeds with a chance.
 * @param {number} chance below 0.5
 * @param {number} df
 */
export function exceeded(chance, df) {
  let [low, high] = [0, 1];
  while (above(high, df) > chance) high *= 2;
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2;
    if (above(middle, df) > chance) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * Judges "above" by the mean and standard deviation of a number of seeds' differences.
 * @param {number} mean @param {number} sd above 0 @param {number} n 2 or more
 */
export function judge(mean, sd, n) {
  const error = sd / Math.sqrt(n);
  const half = exceeded(LEVEL / 2, n - 1) * error;
  const size = Math.abs(mean);
  const p = Math.min(1, 2 * above(size / error, n - 1));
  const within = size < MARGIN ? above((MARGIN - size) / error, n - 1) : 1;
  const beyond = size > MARGIN ? Math.min(1, 2 * above((size - MARGIN) / error, n - 1)) : 1;
  let [name, why] = ["inconclusive", "neither told from zero nor shown to be too small to matter"];
  if (p <= LEVEL && mean > 0) {
    [name, why] = ["supported but size open", `above zero; whether by ${MARGIN} points is open`];
    if (within <= LEVEL) [name, why] = ["supported but immaterial", `above zero, by less than ${MARGIN} points`];
    if (beyond <= LEVEL) [name, why] = ["supported", `above zero, and by more than ${MARGIN} points`];
  } else if (p <= LEVEL) [name, why] = ["not supported", "the other way"];
  else if (within <= LEVEL) [name, why] = ["not supported", `no difference of ${MARGIN} points either way`];
  return { name, why, low: mean - half, high: mean + half, p, within, beyond };
}
