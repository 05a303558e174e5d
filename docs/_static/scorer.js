// A query as words. Chinese has no spaces between words, so it is cut into the longest words that the index has.
var splitQuery = (query) => {
  const { terms, titleterms } = Search._index;
  const known = (word) => Object.hasOwn(terms, word) || Object.hasOwn(titleterms, word);
  const cut = (run) => {
    const words = [];
    for (let start = 0; start < run.length; ) {
      let end = run.length;
      while (end > start + 1 && !known(run.slice(start, end))) end--;
      if (end > start + 1) words.push(run.slice(start, end));
      start = end;
    }
    return words.length ? words : [run];
  };
  return query.split(/[^\p{Letter}\p{Number}_\p{Emoji_Presentation}]+/gu).filter(Boolean).flatMap((word) =>
    word.match(/\p{Script=Han}+|\P{Script=Han}+/gu).flatMap((run) => /\p{Script=Han}/u.test(run) ? cut(run) : [run]));
};

// What counts in a search: a heading that holds the query comes before pages that only use its words.
var Scorer = {
  objNameMatch: 11, objPartialMatch: 6, objPrio: { 0: 15, 1: 5, 2: -5 }, objPrioDefault: 0,
  title: 60, partialTitle: 7, term: 5, partialTerm: 2,
  score: ([, , , , score, , kind]) => score + (kind === "title" ? 100 : 0),
};
