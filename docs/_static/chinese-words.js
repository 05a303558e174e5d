// A query as words. Chinese has no spaces between words, so it is cut into the longest words that the index has;
// transforms/searching.py puts this into the script of the search page.
var splitQuery = (query) => {
  const { terms, titleterms } = Search._index;
  const known = (word) => Object.hasOwn(terms, word) || Object.hasOwn(titleterms, word);
  const cut = (run) => {
    const words = [];
    for (let start = 0, end; start < run.length; start = end) {
      end = run.length;
      while (end > start + 1 && !known(run.slice(start, end))) end--;
      if (end > start + 1) words.push(run.slice(start, end));
    }
    return words.length ? words : [run];
  };
  const parts = query.match(/\p{Script=Han}+|[\p{Letter}\p{Number}_]+?(?=\p{Script=Han}|[^\p{Letter}\p{Number}_]|$)/gu) ?? [];
  return parts.flatMap((part) => /\p{Script=Han}/u.test(part) ? cut(part) : [part]);
};
