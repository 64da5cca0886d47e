# SPDX-License-Identifier: MIT
"""Functions and instructions of an AArch64 program at fixed addresses, and what
LLVM's model of a core says about instructions."""
import bisect
import re
import struct
import subprocess

MCA, MC = "llvm-mca", "llvm-mc"
TRIPLE = "aarch64-linux-gnu"


class Elf:
    """ELF64, little-endian. Offsets are those of the ELF specification."""

    PT_LOAD, SHT_SYMTAB, STT_FUNC = 1, 2, 2

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = f.read()
        phoff, shoff = struct.unpack_from("<QQ", self.data, 32)
        phentsize, phnum, shentsize, shnum = struct.unpack_from("<4H", self.data, 54)
        self.load = [struct.unpack_from("<IIQQQQ", self.data, phoff + i * phentsize)
                     for i in range(phnum)]
        self.load = [s for s in self.load if s[0] == self.PT_LOAD]
        sections = [struct.unpack_from("<IIQQQQIIQQ", self.data, shoff + i * shentsize)
                    for i in range(shnum)]
        self.functions = sorted(f for s in sections if s[1] == self.SHT_SYMTAB
                                for f in self._symbols(s, sections[s[6]]))
        self.starts = [f[0] for f in self.functions]

    def _symbols(self, table, strings):
        for at in range(table[4], table[4] + table[5], table[9]):
            name, info, _, section, value, size = struct.unpack_from(
                "<IBBHQQ", self.data, at)
            if info & 15 == self.STT_FUNC and section and size:
                start = strings[4] + name
                text = self.data[start:self.data.index(b"\0", start)].decode()
                yield value, size, text

    def function_at(self, address):
        """Its name; None in shared libraries and between functions."""
        i = bisect.bisect_right(self.starts, address) - 1
        if i < 0 or address >= self.functions[i][0] + self.functions[i][1]:
            return None
        return self.functions[i][2]

    def words(self, address, size):
        for _, _, offset, vaddr, _, filesz in self.load:
            if vaddr <= address and address + size <= vaddr + filesz:
                return struct.unpack_from(f"<{size // 4}I", self.data,
                                          offset + address - vaddr)
        return ()


def branch_offset(word):
    """Of a branch within a function, in instructions; None for others."""
    def signed(low, bits):
        n = word >> low & (1 << bits) - 1
        return n - (1 << bits) if n >> bits - 1 else n
    if word & 0xff000010 == 0x54000000 or word & 0x7e000000 == 0x34000000:
        return signed(5, 19)	# b.cond, cbz, cbnz
    if word & 0x7e000000 == 0x36000000:
        return signed(5, 14)	# tbz, tbnz
    if word & 0xfc000000 == 0x14000000:
        return signed(0, 26)	# b
    return None


def is_jump(word):
    """Anything that leaves the sequence: also bl, br, blr, ret."""
    return (branch_offset(word) is not None or word & 0xfc000000 == 0x94000000
            or word & 0xfe000000 == 0xd6000000)


def innermost_loops(words):
    """(first, last) of each loop that has no other jump inside."""
    for last, word in enumerate(words):
        offset = branch_offset(word)
        if offset is None or offset >= 0 or last + offset < 0:
            continue
        if not any(is_jump(w) for w in words[last + offset:last]):
            yield last + offset, last


def disassemble(words):
    """{word: text}; words that are no instruction are left out."""
    words = sorted(words)
    lines = "".join(" ".join(f"{b:#x}" for b in struct.pack("<I", w)) + "\n"
                    for w in words)
    done = subprocess.run(
        [MC, "--disassemble", f"--triple={TRIPLE}", "--mattr=+v8.2a,+dotprod"],
        input=lines, capture_output=True, text=True)
    wrong = {int(n) for n in re.findall(r"^<stdin>:(\d+):\d+: warning",
                                        done.stderr, re.M)}
    texts = [line.strip() for line in done.stdout.splitlines()
             if line.strip() and not line.strip().startswith(".")]
    right = [w for i, w in enumerate(words, 1) if i not in wrong]
    if len(right) != len(texts):
        raise SystemExit(f"tests/bench/cpu: {MC} gave {len(texts)} lines for "
                         f"{len(right)} instructions")
    return dict(zip(right, texts))


def mca(texts, *options, cpu):
    """llvm-mca's words, or None if one of the instructions isn't in its model."""
    done = subprocess.run([MCA, f"-mtriple={TRIPLE}", f"-mcpu={cpu}", *options],
                          input="\n".join(texts) + "\n", capture_output=True,
                          text=True)
    return done.stdout if done.returncode == 0 else None


def loop_cycles(texts, cpu, iterations=300):
    """Cycles of one iteration."""
    out = mca(texts, f"-iterations={iterations}", cpu=cpu)
    return int(re.search(r"Total Cycles:\s+(\d+)", out)[1]) / iterations if out else None


def _table(out, title):
    """The rows behind a title line and its heading, up to an empty line."""
    lines = out[out.index(title):].splitlines()
    start = next(i for i, l in enumerate(lines) if "Instructions:" in l and i) + 1
    end = next((i for i in range(start, len(lines)) if not lines[i].strip()), len(lines))
    return [l for l in lines[start:end]]


def costs(texts, cpu="cortex-a72"):
    """For each instruction (micro-ops, {unit: cycles}), by LLVM's model. What it
    doesn't know is taken as one micro-op that uses no unit."""
    out = mca(texts, "-instruction-tables", cpu=cpu)
    if out is None:
        if len(texts) == 1:
            return [(1, {})]
        half = len(texts) // 2
        return costs(texts[:half], cpu) + costs(texts[half:], cpu)
    units = re.findall(r"^\[[\d.]+\]\s+- \w+?Unit(\w+)$", out, re.M)
    ops = [int(row.split()[0]) for row in _table(out, "Instruction Info:")]
    rows = []
    for row in _table(out, "Resource pressure by instruction:"):
        used = {}
        for unit, cycles in zip(units, row.split()[:len(units)]):
            if cycles != "-":
                used[unit] = used.get(unit, 0) + float(cycles)
        rows.append(used)
    if not len(ops) == len(rows) == len(texts):
        raise SystemExit(f"tests/bench/cpu: {MCA}'s tables have {len(ops)} and "
                         f"{len(rows)} rows for {len(texts)} instructions")
    return list(zip(ops, rows))
