/** What the search quotes from a page: its text, without lists of contents, buttons and links. */
{
  /** @type {{htmlToText(text: string, anchor?: string): string}} */
  // @ts-ignore: Sphinx's, of a script before this one
  const search = Search;
  const ELSEWHERE = ".headerlink, script, style, .toctree-wrapper, .copybtn, summary .collapsed";
  /** @param {string} html @param {string} [anchor] */
  search.htmlToText = (html, anchor) => {
    const article = new DOMParser().parseFromString(html, "text/html").querySelector(".bd-article");
    for (const part of article?.querySelectorAll(ELSEWHERE) ?? []) part.remove();
    const there = anchor && article?.querySelector(anchor);
    return ((there || article)?.textContent ?? "").replace(/\s+/g, " ");
  };
}
