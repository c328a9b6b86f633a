#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""usage: tests/prove/any_load.py FILE

Makes each load through a pointer to something volatile give any value of its type, in a goto program of
CBMC. This is `goto-instrument --nondet-volatile`, which CBMC 6.6 cannot use on a ring: it also replaces
objects of which only the address is taken, and flexible arrays. Checks of the addresses are assertions of
their own by now, and stay.

And it gives each wide literal whose address is taken an object, that of a narrow literal with the same
bytes. CBMC 6.6 has no object for it, so each character of L"on" would be outside.

The file (version 6) is a symbol table and functions, made of trees. A tree and a string are written out
where they first occur, and by number after that.
"""
import sys

MAGIC = b"\x7fGBF"
VERSION = 6
SYMBOL_TREES, SYMBOL_STRINGS, SYMBOL_NUMBERS = 3, 5, 2


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0
        self.trees, self.strings = {}, {}

    def number(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def text(self):
        out = bytearray()
        while self.data[self.at] != 0:
            self.at += self.data[self.at] == ord("\\")
            out.append(self.data[self.at])
            self.at += 1
        self.at += 1
        return bytes(out)

    def string(self):
        number = self.number()
        if number not in self.strings:
            self.strings[number] = self.text()
        return self.strings[number]

    def tree(self):
        """(identifier, operands, ((kind, name, tree), ...))"""
        number = self.number()
        if number not in self.trees:
            name, operands, named = self.string(), [], []
            while kind := self.data[self.at]:
                self.at += 1
                if kind == ord("S"):
                    operands.append(self.tree())
                elif kind in b"NC":
                    named.append((kind, self.string(), self.tree()))
                else:
                    raise ValueError(f"byte {self.at}: not a goto program")
            self.at += 1
            self.trees[number] = (name, tuple(operands), tuple(named))
        return self.trees[number]


class Writer:
    def __init__(self):
        self.out = bytearray()
        self.trees, self.strings = {}, {}

    def number(self, value):
        while value > 0x7F:
            self.out.append(value & 0x7F | 0x80)
            value >>= 7
        self.out.append(value)

    def text(self, string):
        self.out += string.replace(b"\\", b"\\\\").replace(b"\0", b"\\\0") + b"\0"

    def string(self, string):
        is_new = string not in self.strings
        self.number(self.strings.setdefault(string, len(self.strings)))
        if is_new:
            self.text(string)

    def tree(self, tree):
        is_new = id(tree) not in self.trees
        number, _ = self.trees.setdefault(id(tree), (len(self.trees), tree))
        self.number(number)
        if is_new:
            name, operands, named = tree
            self.string(name)
            for operand in operands:
                self.out.append(ord("S"))
                self.tree(operand)
            for kind, key, value in named:
                self.out.append(kind)
                self.string(key)
                self.tree(value)
            self.out.append(0)


def leaf(name, *named):
    return name, (), tuple((ord("N"), key, tree) for tree, key in named)


class Loads:
    """Replaces loads in trees. Trees are shared, so each is looked at once as a value and once as a place."""

    def __init__(self):
        self.values, self.places = {}, {}
        self.count = 0

    @staticmethod
    def named(tree, key):
        return next((value for _, name, value in tree[2] if name == key), None)

    def is_volatile(self, tree):
        """Whether the access goes through a pointer to something volatile."""
        while True:
            if tree[0] == b"dereference":
                return self.named(self.named(tree, b"type"), b"#volatile") is not None
            if tree[0] not in (b"index", b"member"):
                return False
            tree = tree[1][0]

    def any_value(self, tree):
        self.count += 1
        kind, name, of_type = next(part for part in tree[2] if part[1] == b"type")
        of_type = of_type[0], of_type[1], tuple(part for part in of_type[2] if part[1] != b"#volatile")
        return (b"side_effect", (), ((kind, name, of_type), (kind, b"statement", (b"nondet", (), ())),
                                     (kind, b"is_nondet_nullable", (b"1", (), ()))))

    def narrow(self, tree):
        """The address of a wide literal as that of a narrow one, or None if the tree is something else."""
        index = tree[1][0] if tree[0] == b"address_of" else None
        if not index or index[0] != b"index" or self.named(index[1][0], b"#string_constant") is None:
            return None
        array, first = index[1]
        if array[0] != b"array":
            return None
        values = (int(self.named(character, b"value")[0], 16) for character in array[1])
        text = b"".join(value.to_bytes(2, "little") for value in values)
        size = leaf(b"constant", (self.named(first, b"type"), b"type"), (leaf(b"%X" % len(text)), b"value"))
        char = leaf(b"signedbv", (leaf(b"8"), b"width"))
        of_type = b"array", (char,), ((ord("N"), b"size", size),)
        literal = leaf(b"string_constant", (of_type, b"type"), (leaf(text[:-1]), b"value"))
        place = b"index", (literal, first), ((ord("N"), b"type", char),)
        pointer = b"pointer", (char,), ((ord("N"), b"width", leaf(b"64")),)
        return b"typecast", ((b"address_of", (place,), ((ord("N"), b"type", pointer),)),), tree[2]

    def once(self, seen, tree, make):
        if id(tree) not in seen:
            changed = make(tree)
            seen[id(tree)] = (changed if changed != tree else tree), tree
        return seen[id(tree)][0]

    def place(self, tree):
        """What is stored to, or whose address is taken. Pointers and indices in it are loaded all the same."""
        return self.once(self.places, tree, self.make_place)

    def make_place(self, tree):
        name, operands, named = tree
        if name not in (b"index", b"member"):
            return name, tuple(map(self.value, operands)), named
        return name, (self.place(operands[0]), *map(self.value, operands[1:])), named

    def value(self, tree):
        return self.once(self.values, tree, self.make_value)

    def make_value(self, tree):
        name, operands, named = tree
        if self.is_volatile(tree):
            return self.any_value(tree)
        literal = self.narrow(tree)
        if literal:
            return literal
        is_first_place = name == b"address_of"
        if name == b"code":
            is_first_place = self.named(tree, b"statement")[0] in (b"assign", b"function_call")
        if is_first_place:
            return name, (self.place(operands[0]), *map(self.value, operands[1:])), named
        return name, tuple(map(self.value, operands)), named


def rewrite(data):
    reader, writer, loads = Reader(data), Writer(), Loads()

    def copy(kind, times=1):
        for _ in range(times):
            value = getattr(reader, kind)()
            getattr(writer, kind)(value)
        return value

    if data[:4] != MAGIC or data[4] != VERSION:
        raise ValueError(f"not a goto program of version {VERSION}, which CBMC 6 writes")
    writer.out += data[:5]
    reader.at = 5
    for _ in range(copy("number")):
        copy("tree", SYMBOL_TREES)
        copy("string", SYMBOL_STRINGS)
        copy("number", SYMBOL_NUMBERS)
    for _ in range(copy("number")):
        copy("text")
        for _ in range(copy("number")):
            writer.tree(loads.value(reader.tree()))
            copy("tree")  # where in the source
            copy("number")
            writer.tree(loads.value(reader.tree()))
            copy("number")
            for kind in "number", "string":  # targets, labels
                for _ in range(copy("number")):
                    copy(kind)
    if reader.at != len(data):
        raise ValueError(f"{len(data) - reader.at} bytes after the end")
    return writer.out, loads.count


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.splitlines()[0])
    sys.setrecursionlimit(100000)
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    changed, count = rewrite(data)
    with open(sys.argv[1], "wb") as file:
        file.write(changed)
    print(f"{count} loads of device memory give any value")


if __name__ == "__main__":
    main()
