/** Pages print in light colours, whatever the screen shows, and with verdicts unfolded. */
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
