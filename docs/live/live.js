// The live page: the model in ONNX Runtime, and what the library's fill_mask and easy_first do with its answers.
// One module, no framework. A typed text reaches the page by textContent only.

import strip from "./strip.js";

const TOP = 5, BEAM = 5, NARROW = 0.03; // as in perceiver_edu/easy_first.py
const MASK = 3, CLS = 4, SEP = 5, OFFSET = 6;
const SPECIAL = ["[PAD]", "[BOS]", "[EOS]", "[MASK]", "[CLS]", "[SEP]"];
const MOST_SEARCHED = 24; // bytes of a hole that is filled easy-first, by a run of the model for each, and after each layer
const MOST_COUNTED = 1000; // fillings before the hidden text
const $ = (id) => document.getElementById(id);

function make(tag, properties = {}, ...children) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
}

class InputError extends Error {} // what the user can mend: one sentence on the page
const need = (fine, message) => { if (!fine) throw new InputError(message); };

function said(error, what) { // on the page; what is no InputError is a bug
    if (error instanceof InputError) return error.message;
    console.error(error);
    return `${what}: ${error.message}`;
}

// ---- Text and ids, as perceiver_edu/tokenizer.py and filling.py --------------------------------------------
const utf8 = (text) => [...new TextEncoder().encode(text)];
function encode(text) {
    return text.split(/(\[(?:PAD|BOS|EOS|MASK|CLS|SEP)\])/).flatMap((piece) =>
        SPECIAL.includes(piece) ? [SPECIAL.indexOf(piece)] : utf8(piece).map((byte) => byte + OFFSET));
}

// The letters of a text and a hole in them -> ids with [MASK] in the hole, the hole's positions, and the bytes that were there.
function idsWithHole(letters, [start, stop], longest) {
    const text = letters.join(""), length = encode(text).length;
    need(text, "The text is empty: type a sentence, and hide a part of it.");
    need(!/[\ud800-\udfff]/u.test(text), "The text contains half of a character, which has no UTF-8 form: remove that half, or type the whole character.");
    need(length <= longest - 2, `The text has ${length} bytes, and this model reads at most ${longest - 2}: shorten it.`);
    need(start < stop, "Nothing is hidden: select some letters of the text below the box.");
    const masks = [...text.matchAll(/\[MASK\]/g)].map(({ index }) => [...text.slice(0, index)].length);
    const inside = [start, stop].some((border) => masks.some((from) => from < border && border < from + 6));
    need(!inside, "The selection ends inside a [MASK]: select all of the [MASK] or nothing of it.");
    const [before, hidden, after] = [[0, start], [start, stop], [stop]].map((part) => letters.slice(...part).join(""));
    const first = 1 + encode(before).length, size = utf8(hidden.replaceAll("[MASK]", "?")).length;
    const ids = [CLS, ...encode(before), ...Array(size).fill(MASK), ...encode(after), SEP];
    need(ids.length <= longest, `The hole has ${size} bytes, too many for this text: hide less.`);
    return { ids, hole: Array.from({ length: size }, (_, i) => first + i), truth: hidden.includes("[MASK]") ? null : utf8(hidden) };
}

// ---- Valid UTF-8, as perceiver_edu/utf8_search.py ------------------------------------------------------------
const UTF8 = [ // state, lowest and highest byte, next state; state 0 is between two characters
    [0, 0x00, 0x7F, 0], [0, 0xC2, 0xDF, 1], [0, 0xE0, 0xE0, 4], [0, 0xE1, 0xEC, 2], [0, 0xED, 0xED, 5], [0, 0xEE, 0xEF, 2],
    [0, 0xF0, 0xF0, 6], [0, 0xF1, 0xF3, 3], [0, 0xF4, 0xF4, 7], [4, 0xA0, 0xBF, 1], [5, 0x80, 0x9F, 1], [6, 0x90, 0xBF, 2],
    [7, 0x80, 0x8F, 2], [3, 0x80, 0xBF, 2], [2, 0x80, 0xBF, 1], [1, 0x80, 0xBF, 0],
];
const follows = (from, byte) => UTF8.find(([state, low, high]) => state === from && low <= byte && byte <= high)?.[3] ?? -1;
const NEXT = Array.from({ length: 8 }, (_, state) => Int8Array.from({ length: 256 }, (_, byte) => follows(state, byte)));
const text = (bytes) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array(bytes));
const ranked = (row) => [...row.keys()].sort((a, b) => row[b] - row[a]);
const best = (found, number) => found.sort((a, b) => b.score - a.score).slice(0, number); // the sort is stable

// Log-probabilities, an array of 256 for each byte -> the most probable strings of independent bytes.
export function bestByteStrings(rows, number) {
    let ending = { 0: [{ score: 0, bytes: [] }] }; // the best strings that end in each state
    for (const row of rows) {
        const arriving = {}, order = ranked(row);
        for (const [state, low, high, to] of UTF8) {
            const bytes = order.filter((byte) => low <= byte && byte <= high);
            ending[state]?.forEach((string, i) => {
                const likely = bytes.slice(0, Math.floor(number / (i + 1))); // the others cannot be among the best
                for (const byte of likely) (arriving[to] ??= []).push({ score: string.score + row[byte], bytes: [...string.bytes, byte] });
            });
        }
        ending = Object.fromEntries(Object.entries(arriving).map(([state, found]) => [state, best(found, number)]));
    }
    return ending[0] ?? [];
}

// How many strings are more probable than this one, counted up to `most`.
export function betterStrings(rows, bytes, most) {
    const never = Array(8).fill(-Infinity), ahead = [...rows.map(() => [...never]), never.with(0, 0)]; // best scores from each state to the end
    for (let i = rows.length - 1; i >= 0; i--) for (const [state, low, high, to] of UTF8) {
        ahead[i][state] = Math.max(ahead[i][state], ahead[i + 1][to] + Math.max(...rows[i].slice(low, high + 1)));
    }
    const orders = rows.map(ranked), bounds = ahead.map((scores) => Math.max(...scores));
    const score = bytes.reduce((sum, byte, i) => sum + rows[i][byte], 1e-9); // not below itself, however the sums are rounded
    let better = 0;
    const visit = (i, state, sum) => {
        if (i === rows.length) return void better++;
        for (const byte of orders[i]) {
            const now = sum + rows[i][byte], to = NEXT[state][byte];
            if (better >= most || now + bounds[i + 1] <= score) return;
            if (to >= 0 && now + ahead[i + 1][to] > score) visit(i + 1, to, now);
        }
    };
    visit(0, 0, 0);
    return better;
}

// Which bytes each open place of a partly filled string may get, so that it can become whole UTF-8. Open is undefined.
function allowedBytes(string) {
    const steps = string.map((byte) => UTF8.filter(([, low, high]) => byte === undefined || (low <= byte && byte <= high)));
    const left = [[0]], right = [...steps, [0]]; // the states that can be reached from the left, and from the right
    steps.forEach((open, i) => { left[i + 1] = open.filter(([state]) => left[i].includes(state)).map(([, , , to]) => to); });
    for (let i = string.length - 1; i >= 0; i--) right[i] = steps[i].filter(([, , , to]) => right[i + 1].includes(to)).map(([state]) => state);
    return steps.map((open, i) => {
        const fit = open.filter(([state, , , to]) => string[i] === undefined && left[i].includes(state) && right[i + 1].includes(to));
        return [...Array(256).keys()].filter((byte) => fit.some(([, low, high]) => low <= byte && byte <= high));
    });
}

// As perceiver_edu/easy_first.py. `logProbs(rows of ids, run)` -> for each row, for each byte of the hole, 256 numbers; null ends it.
export async function easyFirst(ids, hole, number, logProbs) {
    const filled = ({ bytes }) => ids.map((id, m) => (bytes[m - hole[0]] === undefined ? id : bytes[m - hole[0]] + OFFSET));
    let beam = [{ bytes: Array(hole.length).fill(undefined), score: 0 }];
    for (let run = 1; run <= hole.length && beam.length; run++) {
        const found = await logProbs(beam.map(filled), run), candidates = [];
        if (!found) return null;
        beam.forEach(({ bytes, score }, w) => {
            const allowed = allowedBytes(bytes), highest = allowed.map((fits, i) => Math.max(...fits.map((byte) => found[w][i][byte])));
            const place = highest.indexOf(Math.max(...highest));
            for (const byte of allowed[place]) candidates.push({ score: score + found[w][place][byte], bytes: bytes.with(place, byte) });
        });
        beam = best(candidates, Math.max(BEAM, number));
        const lowest = run === hole.length ? -Infinity : beam[0]?.score + Math.log(NARROW);
        beam = beam.filter(({ score }) => score > lowest);
    }
    return beam.slice(0, number);
}

// logits, a tensor (B, O, V) -> for each text, for each position, the log-probabilities of the 256 bytes.
export function byteLogProbs({ data, dims: [B, O, V] }) {
    return Array.from({ length: B }, (_, b) => Array.from({ length: O }, (_, o) => {
        const row = Float64Array.from(data.subarray((b * O + o) * V, (b * O + o + 1) * V));
        const top = row.reduce((a, c) => Math.max(a, c)), total = top + Math.log(row.reduce((sum, x) => sum + Math.exp(x - top), 0));
        return row.map((x) => x - total).slice(OFFSET, OFFSET + 256);
    }));
}

// ---- Loading ---------------------------------------------------------------------------------------------------
const say = (sentence) => { $("status").textContent = sentence; };
let about, ort, session;
// Files with known sizes, with one progress bar, from this site's cache where they were kept before.
async function fetchAll(files) {
    const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    const cache = await globalThis.caches?.open("perceiver-live").catch(() => undefined); // not in every private window
    let loaded = 0;
    const read = async ({ file, bytes }) => {
        const kept = await cache?.match(file), response = kept ?? await fetch(file);
        need(response.ok, `${file} could not be loaded (${response.status}): reload the page, or build the book again.`);
        const counted = new TransformStream({ transform(part, stream) {
            $("progress").value = (loaded += part.length) / total;
            say(`Loading the model: ${(loaded / 1e6).toFixed(0)} of ${(total / 1e6).toFixed(0)} MB`);
            stream.enqueue(part);
        } });
        const content = new Uint8Array(await new Response(response.body.pipeThrough(counted)).arrayBuffer());
        need(content.length === bytes, `${file} is not the file that was built, or it arrived incomplete: reload the page.`);
        if (!kept) await cache?.put(file, new Response(content)).catch(() => undefined); // a full disk is no reason to stop
        return content;
    };
    const needed = files.map(({ file }) => new URL(file, location).href);
    for (const request of await cache?.keys() ?? []) if (!needed.includes(request.url)) await cache.delete(request);
    return Promise.all(files.map(read));
}

// The weights are bfloat16, the upper half of a float32: first all exponents, then signs with mantissas, in gzip.
async function expand(packed) {
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const halves = new Uint8Array(await new Response(stream).arrayBuffer()), number = halves.length / 2, weights = new Uint32Array(number);
    for (let i = 0; i < number; i++) {
        weights[i] = ((halves[number + i] & 0x80) << 24) | (halves[i] << 23) | ((halves[number + i] & 0x7F) << 16);
    }
    return new Uint8Array(weights.buffer);
}

async function load() {
    about = await (await fetch("about.json", { cache: "no-cache" })).json();
    need(!about.missing, about.missing);
    ort = await import("./ort/ort.wasm.min.mjs");
    const [wasm, graph, packed] = await fetchAll([about.wasm, about.graph, about.weights]);
    say("Starting the model …");
    Object.assign(ort.env.wasm, { wasmBinary: wasm.buffer, wasmPaths: new URL("ort/", import.meta.url).href });
    ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
    ort.env.logLevel = "error";
    const externalData = [{ path: "weights", data: await expand(packed) }];
    session = await ort.InferenceSession.create(graph, { externalData, executionProviders: ["wasm"] });
    $("threads").textContent = `Your browser computes with ${ort.env.wasm.numThreads > 1 ? `${ort.env.wasm.numThreads} threads` : "1 thread"}.`;
}

function runModel(rows, hole, layers, outputs) { // the decoder reads the latents after each of these numbers of layers
    const B = rows.length, M = rows[0].length, whole = (numbers) => BigInt64Array.from(numbers, BigInt);
    return session.run({
        input_ids: new ort.Tensor("int64", whole(rows.flat()), [B, M]),
        mask: new ort.Tensor("bool", new Uint8Array(B * M).fill(1), [B, M]),
        positions: new ort.Tensor("int64", whole(rows.flatMap(() => hole)), [B, hole.length]),
        layers: new ort.Tensor("int64", whole(layers), [layers.length]),
    }, outputs);
}

// ---- The state, and its answer -----------------------------------------------------------------------------------
// `chosen`: has the reader hidden something in this text? Until then, each edit may hide another word.
const state = { text: "", hole: [0, 0], chosen: true, layers: 0, map: "encoder", head: "mean", columns: "bytes", row: 0 };
let answer = null, version = 0, searching = Promise.resolve();
globalThis.live = { state, set: setState, get answer() { return answer; } }; // for the console and the tests

async function refresh() { // runs the model, and again where the text, its hole or the layers have changed meanwhile
    $("app").ariaBusy = "true";
    for (let done; done !== version;) {
        done = version;
        try {
            const letters = [...state.text], span = [...state.hole], layers = state.layers;
            const { ids, hole, truth } = idsWithHole(letters, span, about.longest), numbers = [...Array(about.layers + 1).keys()];
            const found = await searching.then(() => runModel([ids], hole, numbers)), byLayer = byteLogProbs(found.logits);
            const tensors = { ids: { dims: [1, ids.length] } }; // for the layers that are chosen; what precedes the decoder was computed once
            for (const [name, { data, dims: [n, ...dims] }] of Object.entries(found)) {
                const size = data.length / n, at = n > 1 ? layers * size : 0;
                tensors[name] = { data: data.subarray(at, at + size), dims: [1, ...dims] };
            }
            const fillings = bestByteStrings(byLayer[layers], TOP);
            answer = { ids, hole, letters, span, layers, tensors, byLayer, fillings, truth: truth && standing(byLayer[layers], truth) };
            $("problem").textContent = "";
            $("answer").hidden = false;
            showAnswer();
            await new Promise((seen) => setTimeout(seen)); // the table of layers takes a while, and waits for the next key
            if (done === version) showLayers();
        } catch (error) {
            answer = null;
            $("problem").textContent = said(error, "The model stopped");
        }
        $("answer").hidden = !answer;
    }
    $("app").ariaBusy = "false";
}

function standing(rows, bytes) { // of the hidden text, among all strings of so many bytes
    const better = betterStrings(rows, bytes, MOST_COUNTED);
    return { bytes, score: bytes.reduce((sum, byte, i) => sum + rows[i][byte], 0), rank: better < MOST_COUNTED ? better + 1 : Infinity };
}

async function search() { // easy-first; a change of the text or the layers ends it
    if ($("app").ariaBusy === "true" || !answer) return;
    const { ids, hole, layers } = answer, mine = version;
    const logProbs = async (rows, run) => {
        if (mine !== version) return null;
        $("searching").textContent = `run ${run} of ${hole.length} …`;
        const started = runModel(rows, hole, [layers], ["logits"]);
        searching = started.then(() => undefined);
        return byteLogProbs((await started).logits);
    };
    $("search").disabled = true;
    const found = await easyFirst(ids, hole, TOP, logProbs);
    if (!found || mine !== version) return;
    $("searching").textContent = found.length ? `done: ${hole.length} runs of the model` : "The search found no filling that is valid UTF-8.";
    fillTable($("easy"), answer.easy = found);
    if (found.length) showSentence(found[0], "The most certain byte first");
}

// ---- Showing it ----------------------------------------------------------------------------------------------------
const power = (x) => x.toExponential(1).replace(/e-(\d+)/, (_, digits) => `·10⁻${digits.replace(/\d/g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit])}`);
const percent = (x) => `${x && x < 1e-5 ? power(100 * x) : (100 * x).toPrecision(3)}\u00a0%`; // the one form of a number from 0 to 1
const asRank = (rank) => (rank > MOST_COUNTED ? `>\u00a0${MOST_COUNTED.toLocaleString("en")}` : rank.toLocaleString("en"));
const visible = (text) => JSON.stringify(text).replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\u2028\u2029]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
const isTruth = (bytes) => answer.truth && String(bytes) === String(answer.truth.bytes);

function rowOf(first, { bytes, score }, ...more) {
    const filling = make("td", {}, make("span", { className: "filling" }, visible(text(bytes))));
    const number = make("td", { className: "number" }, percent(Math.exp(score)));
    if (isTruth(bytes)) filling.append(" ", make("small", {}, "hidden text"));
    number.style.setProperty("--part", Math.exp(score));
    return make("tr", {}, make("th", { scope: "row" }, first), filling, number, ...more);
}
const fillTable = (table, found) => table.replaceChildren(...found.map((filling, i) => rowOf(asRank(filling.rank ?? i + 1), filling)));

function showSentence({ bytes, score }, table) {
    const { letters, span, layers } = answer, mark = make("mark", { textContent: text(bytes) });
    $("sentence").replaceChildren(letters.slice(0, span[0]).join(""), mark, letters.slice(span[1]).join(""));
    $("filled-by").textContent = `The first filling of “${table}”: ${percent(Math.exp(score))}.`
        + (layers < about.layers ? ` The model stops after layer ${layers} of ${about.layers}.` : "");
}

function showAnswer() {
    const { fillings, tensors, truth, hole, layers } = answer, known = fillings.some(({ bytes }) => isTruth(bytes));
    fillTable($("independent"), truth && !known ? [...fillings, truth] : fillings);
    fillTable($("easy"), []);
    $("searching").textContent = hole.length > MOST_SEARCHED ? `This search takes holes of up to ${MOST_SEARCHED} bytes, and this one has ${hole.length}.` : "";
    $("search").disabled = hole.length > MOST_SEARCHED;
    showSentence(fillings[0], "Each byte on its own");
    $("truth").textContent = truth ? `The hidden text is ${visible(text(truth.bytes))}: probability ${percent(Math.exp(truth.score))}, rank ${asRank(truth.rank)}.`
        : "The hidden text contains a [MASK], so its own probability is unknown.";
    $("stages").replaceChildren(...about.stages.map(({ name, array, boundary, symbols, colour }) => {
        const shape = tensors[boundary].dims.join(" × ");
        const lines = [["", array], ["shape", shape], ["symbols", `(${symbols})`]].map(([className, line]) => make("span", { className }, line));
        const box = make("div", {}, make("b", {}, name === "processor" ? `${name}, ${layers} of ${about.layers} layers` : name), ...lines);
        box.style.setProperty("--stage", colour);
        return make("li", {}, box);
    }));
    showAttention();
}

function showLayers() { // the first guess after each layer, and what it holds of the hidden text
    const { byLayer, truth, hole, layers } = answer, short = hole.length <= MOST_SEARCHED, right = [];
    $("by-layer").replaceChildren(...(short ? byLayer : []).map((logProbs, layer) => {
        const [{ bytes, score }] = bestByteStrings(logProbs, 1), its = truth ? standing(logProbs, truth.bytes) : { score, rank: 1 };
        if (its.rank === 1) right.push(layer);
        const row = rowOf(layer, { bytes, score: its.score }, make("td", {}, asRank(its.rank)));
        row.ariaCurrent = String(layer === layers);
        return row;
    }));
    $("knows").textContent = !short ? `This table takes holes of up to ${MOST_SEARCHED} bytes, and this one has ${hole.length}.`
        : !truth ? "The hidden text is unknown, so the probabilities are those of the first guess."
            : `The hidden text is the first guess after ${right.length ? `layer ${right.join(", ")}` : "none of the layers"}.`;
}

// A map (1, heads, Q, K) and a head or "mean" -> rows of numbers.
function rowsOf({ data, dims: [, heads, Q, K] }, head) {
    const chosen = head === "mean" ? [...Array(heads).keys()] : [Number(head)];
    return Array.from({ length: Q }, (_, q) => Float64Array.from({ length: K }, (_, k) =>
        chosen.reduce((sum, h) => sum + data[(h * Q + q) * K + k], 0) / chosen.length));
}

// Rows over latents -> rows over bytes: each latent stands for the bytes that it attended to in the encoder.
const throughEncoder = (rows, encoder) => rows.map((row) => encoder[0].map((_, m) => row.reduce((sum, w, n) => sum + w * encoder[n][m], 0)));

// A sign for each id: a character at its first byte, ◂ for its further bytes.
function signs(ids, hole) {
    const found = ids.map((id) => (id < OFFSET ? ["□", "⟨", "⟩", "▒", "⟨", "⟩"][id] : "◂"));
    ids.forEach((id, i) => {
        const byte = id - OFFSET, size = byte < 0x80 ? 1 : byte < 0xC0 ? 0 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
        if (id < OFFSET || !size) return;
        const letter = text(ids.slice(i, i + size).map((id) => id - OFFSET));
        found[i] = { " ": "␣", "\n": "⏎" }[letter] ?? (/^[\p{L}\p{N}\p{P}\p{S}]/u.test(letter) ? letter : "▪");
    });
    return found.map((sign, i) => ({ sign, hidden: hole.includes(i), special: ids[i] < OFFSET && ids[i] !== MASK }));
}

function showAttention() {
    if (!answer) return;
    const maps = ["encoder", ...Array.from({ length: answer.layers }, (_, i) => `layer_${i + 1}`), "decoder"]; // those that are read
    if (!maps.includes(state.map)) state.map = "encoder";
    $("map").replaceChildren(...maps.map((name) => make("option", { value: name, selected: name === state.map }, name.replace("_", " "))));
    const { tensors, ids, hole } = answer, ofEncoder = state.map === "encoder", ofDecoder = state.map === "decoder";
    const raw = rowsOf(tensors[`${state.map}_attention`], state.head), encoder = rowsOf(tensors.encoder_attention, "mean");
    const bytes = ofEncoder ? raw : throughEncoder(raw, encoder), names = signs(ids, hole);
    const overBytes = ofEncoder || state.columns === "bytes", rows = overBytes ? bytes : raw;
    const name = `${state.map.replace("_", " ")}, ${state.head === "mean" ? "mean of the heads" : `head ${state.head}`}`;
    state.row = Math.min(state.row, rows.length - 1);
    $("columns-part").hidden = ofEncoder;
    Object.assign($("row"), { max: rows.length - 1, value: state.row });
    $("row-value").textContent = state.row;
    const kind = $("row-name").textContent = ofDecoder ? "hidden byte" : "latent";
    const onHole = bytes.map((row) => hole.reduce((sum, m) => sum + row[m], 0));
    $("most").hidden = ofDecoder;
    $("most-rows").replaceChildren(...ranked(onHole).slice(0, 3).map((row) => make("button",
        { type: "button", textContent: `${row} (${percent(onHole[row])})`, onclick: () => setState({ row }) })));

    // One row: the text shaded by it, and its largest weights in words.
    const row = bytes[state.row], characters = [];
    $("row-title").textContent = `What ${kind} ${state.row} attends to (${name})`;
    names.forEach(({ sign, hidden, special }, m) => {
        if (sign === "◂" && characters.length) characters.at(-1).weight += row[m];
        else characters.push({ sign: { "␣": " ", "⏎": "⏎\n" }[sign] ?? sign, hidden, special, weight: row[m] });
    });
    const most = Math.max(...characters.map(({ weight, special }) => (special ? 0 : weight)));
    $("shaded").replaceChildren(...characters.map(({ sign, hidden, weight }) => {
        const span = make("span", { textContent: sign, className: hidden ? "hole" : "", title: percent(weight) });
        span.style.setProperty("--weight", Math.sqrt(Math.min(1, weight / most)).toFixed(3));
        return span;
    }));
    const largest = (row, say) => `${ranked(row).slice(0, 4).map((i) => `${say(i)} (${percent(row[i])})`).join(", ")}.`;
    $("row-says").textContent = (ofEncoder ? "Largest weights: " : `Largest weights on latents: ${largest(raw[state.row], String)} Through the encoder: `)
        + largest(row, (m) => `byte ${m} “${names[m].sign}”`);
    drawMap(rows, overBytes ? names : [...rows[0].keys()].map((n) => ({ sign: n % 8 ? "" : String(n) })), name);
}

function drawMap(rows, labels, name) { // a pixel for each number, enlarged by the style sheet
    const canvas = $("canvas"), [width, tall] = [rows[0].length, rows.length], room = $("scroller").clientWidth - 16;
    const cell = Math.max(labels[0].sign === "0" ? 10 : 14, Math.min(20, Math.floor(room / width)));
    const finger = matchMedia("(pointer: coarse)").matches ? 44 : 24, height = Math.max(6, Math.min(finger, Math.round(320 / tall)));
    Object.assign(canvas, { width, height: tall });
    Object.assign(canvas.style, { width: `${width * cell}px`, height: `${tall * height}px` });
    const highest = Math.max(...rows.flatMap((row) => [...row].filter((_, k) => !labels[k].special))), image = new ImageData(width, tall);
    const [paper, ink] = ["backgroundColor", "color"].map((name) => getComputedStyle(document.body)[name].match(/[\d.]+/g).slice(0, 3).map(Number));
    rows.forEach((row, y) => row.forEach((weight, x) => {
        const strength = Math.sqrt(Math.min(1, weight / highest));
        image.data.set([0, 1, 2].map((c) => paper[c] + strength * (ink[c] - paper[c])).concat(255), 4 * (y * width + x));
    }));
    canvas.getContext("2d").putImageData(image, 0, 0);
    canvas.setAttribute("aria-label", `${name}: ${tall} rows, ${width} columns. Row ${state.row}: ${$("row-says").textContent}`);
    Object.assign($("marker").style, { top: `${state.row * height}px`, height: `${height}px` });
    $("under").style.setProperty("--cell", `${cell}px`);
    $("under").replaceChildren(...labels.map(({ sign, hidden }) => make("span", { textContent: sign, className: hidden ? "hole" : "" })));
    showEnd();
}

function showEnd() { // is there more of the map on its right?
    const { scrollWidth, clientWidth, scrollLeft } = $("scroller");
    $("wider").hidden = scrollWidth <= clientWidth;
    $("scroller").classList.toggle("more", scrollLeft + clientWidth < scrollWidth - 1);
}

// ---- Controls --------------------------------------------------------------------------------------------------------
// The hole after an edit of the text, on the letters that it was on; null where they are gone (as in widgets/strip.py).
function holeAfter(old, now, [start, stop]) {
    const alike = (a, b) => { const n = a.findIndex((letter, i) => letter !== b[i]); return n < 0 ? a.length : n; };
    const before = Math.min(alike(old, now), now.length), most = Math.min(old.length, now.length) - before;
    const after = Math.min(alike(old.slice().reverse(), now.slice().reverse()), most), gone = old.length - after, shift = now.length - old.length;
    if (before <= start && stop <= gone) return null;
    const first = start >= gone ? start + shift : Math.min(start, before), last = stop >= gone && stop > before ? stop + shift : Math.min(stop, before);
    const blank = (letters, from, to) => !letters.slice(from, to).join("").trim();
    return last <= first || (blank(now, first, last) && !blank(old, start, stop)) ? null : [first, last];
}

function middleWord(text) { // with the space before it; or the first run of [MASK]
    const masks = text.match(/(?:\[MASK\])+/), found = masks ?? [...text.matchAll(/\s?[\p{L}\p{N}_]{2,}/gu)]
        .sort((a, b) => Math.abs(2 * a.index + a[0].length - text.length) - Math.abs(2 * b.index + b[0].length - text.length))[0] ?? { index: 0, 0: text };
    const start = [...text.slice(0, found.index)].length, letters = [...found[0]];
    while (!masks && utf8(letters.join("")).length > MOST_SEARCHED) letters.pop();
    return [start, start + letters.length];
}

// strip.js takes an anywidget model: values by name, and who wants to know of changes.
const stripModel = Object.assign(new EventTarget(), {
    values: { text: "", end: 0, hole: [0, 0], position: -1, places: [], can_select: true, can_query: false, selected: "hidden", names: ["text"], line: "", words: {}, columns: 0, spoken: [],
        label: "Tap a letter, double-tap a word, or drag across letters to hide them. By keyboard, the arrow keys move, and with Shift they hide." },
    get(name) { return this.values[name]; },
    set(name, value) { this.values[name] = value; },
    on(events, listener) { for (const event of events.split(" ")) this.addEventListener(event, () => listener()); },
    save_changes() { // only the hole is set by the strip
        if (String(this.values.hole) !== String(state.hole)) setState({ hole: [...this.values.hole], chosen: true });
    },
    show(values) {
        Object.assign(this.values, values);
        for (const name of Object.keys(values)) this.dispatchEvent(new Event(`change:${name}`));
    },
});

const storage = (name) => { try { return globalThis[name]; } catch { return { getItem: () => null, setItem() {} }; } }; // some browsers forbid it

function setState(values) {
    Object.assign(state, values);
    storage("sessionStorage").setItem("perceiver-live", JSON.stringify(state)); // for Back and Reload
    for (const name of ["text", "layers", "head", "columns"]) if ($(name).value !== String(state[name])) $(name).value = state[name];
    if (stripModel.values.text !== state.text) {
        const letters = [...state.text];
        let end = Math.min(letters.length, 6 * about.longest); // a [MASK] has six letters and is one id
        while (encode(letters.slice(0, end).join("")).length > about.longest - 2) end--;
        stripModel.show({ text: state.text, end });
    }
    stripModel.show({ hole: state.hole });
    $("layers-value").textContent = state.layers;
    if (!["text", "hole", "layers"].some((name) => name in values)) return showAttention(); // another part of the same answer
    version++;
    if ($("app").ariaBusy !== "true") void refresh();
}

const beginning = () => ({ text: about.text, hole: [...about.hole], chosen: true, layers: about.layers, map: "encoder", head: "mean", columns: "bytes", row: 7 });

function connect() {
    $("text").addEventListener("input", () => {
        const now = $("text").value, hole = state.chosen ? holeAfter([...state.text], [...now], state.hole) : null;
        setState({ text: now, hole: hole ?? middleWord(now), chosen: hole !== null, layers: about.layers });
    });
    $("preset-letters").addEventListener("click", () => setState({ ...beginning(), text: "a".repeat(44), row: 8 }));
    $("preset-layers").addEventListener("click", () => setState({ layers: 6 }));
    $("reset").addEventListener("click", () => setState(beginning()));
    $("search").addEventListener("click", () => void search());
    for (const name of ["map", "head", "columns"]) $(name).addEventListener("change", () => setState({ [name]: $(name).value }));
    for (const name of ["layers", "row"]) $(name).addEventListener("input", () => setState({ [name]: Number($(name).value) }));
    for (const button of document.querySelectorAll(".step")) button.addEventListener("click", () => {
        $(button.dataset.of).stepUp(Number(button.dataset.step));
        $(button.dataset.of).dispatchEvent(new Event("input"));
    });
    $("canvas").addEventListener("click", ({ offsetY }) => setState({ row: Math.floor(offsetY / $("canvas").clientHeight * $("canvas").height) }));
    $("scroller").addEventListener("scroll", showEnd);
    addEventListener("resize", showAttention);
    matchMedia("(prefers-color-scheme: dark)").onchange = showAttention;
}

async function start() {
    document.documentElement.dataset.theme = storage("localStorage").getItem("theme") ?? "auto"; // the book's choice
    $("loading").className = "busy";
    try {
        await load();
    } catch (error) {
        $("loading").className = "failed";
        return say(said(error, "The model could not be started"));
    }
    $("longest").textContent = about.longest - 2;
    $("layers").max = about.layers;
    $("head").append(...Array.from({ length: about.heads }, (_, head) => make("option", {}, head)));
    strip.render({ model: stripModel, el: $("strip") });
    connect();
    $("app").hidden = false;
    $("loading").hidden = true;
    setState({ ...beginning(), ...JSON.parse(storage("sessionStorage").getItem("perceiver-live") ?? "{}") });
}

void start();
