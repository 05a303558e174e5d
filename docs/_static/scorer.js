// What counts in a search: a heading or a term that holds the query comes before pages that only use its words.
var Scorer = {
  objNameMatch: 11, objPartialMatch: 6, objPrio: { 0: 15, 1: 5, 2: -5 }, objPrioDefault: 0,
  title: 60, partialTitle: 7, term: 5, partialTerm: 2,
  score: ([, , , , score, , kind]) => score + (kind === "title" || kind === "index" ? 100 : 0),
};
