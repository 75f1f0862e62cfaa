/** A page is printed in its light colours, whatever the screen has, with what is behind verdicts. */
{
  const root = document.documentElement;
  /** @type {string | undefined} */
  let theme;
  addEventListener("beforeprint", () => {
    theme = root.dataset.theme;
    root.dataset.theme = "light";
    for (const folded of document.querySelectorAll(".verdict details")) {
      folded.setAttribute("open", "");
    }
  });
  addEventListener("afterprint", () => {
    root.dataset.theme = theme;
  });
}
