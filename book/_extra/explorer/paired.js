/** How two settings differ, seed by seed (`verdicts.paired_difference`). */

import { exceeded } from "../luck/statistics.js";

const FEWEST = 3; // seeds of an interval

/**
 * Returns how many seeds two settings share, and the mean of b minus a with its 95 % interval.
 * @typedef {{seed: number, accuracy: number | null}} One
 * @param {One[]} a @param {One[]} b
 */
export function paired(a, b) {
  const known = new Map(a.map(({ seed, accuracy }) => [seed, accuracy]));
  const apart = b.flatMap(({ seed, accuracy }) => {
    const other = known.get(seed);
    return accuracy == null || other == null ? [] : [accuracy - other];
  });
  const n = apart.length;
  if (n < FEWEST) return null;
  const mean = apart.reduce((sum, one) => sum + one, 0) / n;
  const squares = apart.reduce((sum, one) => sum + (one - mean) ** 2, 0);
  const half = exceeded(0.025, n - 1) * Math.sqrt(squares / (n - 1) / n);
  return { n, mean, low: mean - half, high: mean + half };
}
