// Sphinx's search fetches the pages that it has found, to show a piece of them. Here it gets their text at once,
// with or without a web server: transforms/searching.py writes the pages in place of the braces.
(() => {
  const pages = {};
  const root = new URL(document.documentElement.dataset.content_root, location.href).href;
  const fromTheWeb = window.fetch.bind(window);
  window.fetch = (address, ...options) => {
    const page = pages[new URL(address, location.href).href.replace(root, "")];
    return page === undefined ? fromTheWeb(address, ...options) : Promise.resolve(new Response(page));
  };
})();
