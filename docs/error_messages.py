"""The messages of errors and warnings, read from the source: its f-strings, as templates to translate.

`raise InputError(f"{path} is not a folder: {brief(how)}")` gives "{path} is not a folder: {how}". Where a
part of a message is chosen from several texts, each choice gives a template, so that whoever translates one
reads a whole sentence. `perceiver_edu.language.translated_message` recognises messages by these templates.
"""

import ast
import builtins
import keyword
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import product

GIVEN_TO = {"InputError", "DivergedError", "warn", "refuse"}  # their first argument is a message
LEAST_LETTERS = 4  # in the text of a template: one with fewer would recognise what it did not make
NOT_NAMES = {*dir(builtins), *keyword.kwlist, "self"}

Part = str | ast.expr  # text, or the expression of a value
Bindings = dict[str, list[ast.expr | None]]  # {name: what it may be}; None for a value that the source lacks


def templates(sources: dict[str, str]) -> dict[str, list[str]]:
    """{template: the files that have it}, of {file: source}. Two that differ only in names are one."""
    trees = {file: ast.parse(source) for file, source in sources.items()}
    constants = {
        file: {n: v for n, v in bindings(tree).items() if n.isupper()} for file, tree in trees.items()
    }
    everywhere = {name: values for of_file in constants.values() for name, values in of_file.items()}
    calls = calls_of_functions(trees.values())
    found: dict[str, tuple[str, dict[str, None]]] = {}
    for file, tree in trees.items():
        for message, scope in messages(tree):
            names = everywhere | constants[file] | bindings(scope) | parameters(scope, calls)
            for parts in alternatives(message, names):
                text = "".join(part if isinstance(part, str) else "{}" for part in parts)
                if sum(map(str.isalpha, text)) >= LEAST_LETTERS:
                    found.setdefault(text, (template(parts), {}))[1][file] = None
    return {words: [*files] for words, files in found.values()}


def messages(tree: ast.Module) -> Iterator[tuple[ast.expr, ast.AST]]:
    """(what is given to an error, the function that it is in), in the order of the source."""
    scope_of = {}
    for scope in ast.walk(tree):  # an inner function comes after the one that it is in
        if isinstance(scope, ast.Module | ast.FunctionDef):
            inside = (node for node in ast.walk(scope) if isinstance(node, ast.Call) and node.args)
            scope_of |= {call: scope for call in inside if called(call) in GIVEN_TO}
    for call in sorted(scope_of, key=lambda call: (call.lineno, call.col_offset)):
        yield call.args[0], scope_of[call]


def called(call: ast.Call) -> str | None:
    """The name of the function; None for a method."""
    return call.func.id if isinstance(call.func, ast.Name) else None


def bindings(scope: ast.AST) -> Bindings:
    """What is assigned to each name, also by a `for text, number in ((…), (…)):`."""
    found: Bindings = {}

    def bind(target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name):
            found.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Tuple):
            values = value.elts if isinstance(value, ast.Tuple) else [None] * len(target.elts)
            for part, its_value in zip(target.elts, values, strict=True):
                bind(part, its_value)

    for node in ast.walk(scope):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                bind(target, node.value)
        elif isinstance(node, ast.For | ast.comprehension):
            several = node.iter.elts if isinstance(node.iter, ast.Tuple) else []
            for value in [item for item in several if isinstance(item, ast.Tuple)] or [None]:
                bind(node.target, value)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
            bind(node.target, node.value)
        elif isinstance(node, ast.AugAssign):
            bind(node.target, None)
    return found


def calls_of_functions(trees: Iterable[ast.Module]) -> dict[str, list[ast.Call]]:
    """{name of a function: its calls}, for names that one function has alone."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    named = Counter(node.name for node in nodes if isinstance(node, ast.FunctionDef))
    found: dict[str, list[ast.Call]] = {name: [] for name, times in named.items() if times == 1}
    for node in nodes:
        if isinstance(node, ast.Call) and called(node) in found:
            found[called(node)].append(node)
    return found


def parameters(scope: ast.AST, calls: dict[str, list[ast.Call]]) -> Bindings:
    """The phrases with which a function is called, and None for what is no phrase, such as a name."""
    if not isinstance(scope, ast.FunctionDef):
        return {}
    names = [argument.arg for argument in scope.args.args]
    last = names[len(names) - len(scope.args.defaults) :]
    found: Bindings = {node.arg: [] for node in ast.walk(scope.args) if isinstance(node, ast.arg)}
    for call in calls.get(scope.name, []):
        given = dict(zip(last, scope.args.defaults, strict=True)) | dict(zip(names, call.args, strict=False))
        given |= {word.arg: word.value for word in call.keywords}
        for name, values in found.items():
            values.append(given[name] if name in given and is_phrase(given[name]) else None)
    return {name: values or [None] for name, values in found.items()}


def is_phrase(node: ast.expr) -> bool:
    """Is it a text of several words, or an empty one?"""
    texts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return isinstance(node, ast.Constant | ast.JoinedStr) and any(
        text == "" or " " in str(text) for text in texts
    )


def alternatives(node: ast.expr, names: Bindings) -> list[list[Part]]:
    """What an expression may be made of: [[text, value, …], …]. One without text of its own is a value."""
    found: list[list[Part]] = [[node]]
    match node:
        case ast.Constant(value=str(text)):
            found = [[text]]
        case ast.JoinedStr():
            chosen = product(*(alternatives(part, names) for part in node.values))
            found = [[part for parts in several for part in parts] for several in chosen]
        case ast.BinOp(op=ast.Add()):
            found = [a + b for a in alternatives(node.left, names) for b in alternatives(node.right, names)]
        case ast.IfExp():
            found = alternatives(node.body, names) + alternatives(node.orelse, names)
        case ast.BoolOp(op=ast.Or()):
            found = [parts for value in node.values for parts in alternatives(value, names)]
        case ast.Name():
            others = {name: values for name, values in names.items() if name != node.id}
            values = names.get(node.id, [None])
            found = [parts for v in values for parts in (alternatives(v, others) if v else [[node]])]
        case ast.FormattedValue(conversion=-1, format_spec=None):
            return alternatives(node.value, names)
        case ast.FormattedValue():
            node = node.value
    return [parts if any(isinstance(part, str) for part in parts) else [node] for parts in found]


def template(parts: list[Part]) -> str:
    """[text, value, …] -> "text {value}", whose placeholders have different names."""
    written, used = "", set()
    for part in parts:
        if isinstance(part, str):
            written += part.replace("{", "{{").replace("}", "}}")
        else:
            name, number = short_name(part), 2
            while name in used:
                name, number = f"{short_name(part)}{number}", number + 1
            used.add(name)
            written += f"{{{name}}}"
    return written


def short_name(value: ast.expr) -> str:
    """The last name in an expression: brief(self.size) -> size; ", ".join(names) -> names."""
    if isinstance(value, ast.Name):
        return value.id
    code = re.sub(r"'[^']*'|\"[^\"]*\"", "", ast.unparse(value))
    names = [name.strip("_") for name in re.findall(r"\b[A-Za-z_]\w*\b(?!\()", code) if name not in NOT_NAMES]
    return names[-1] if names else "value"
