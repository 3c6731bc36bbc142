"""Tests of the second verifier: python3 -m unittest discover verifier"""
import contextlib
import io
import os
import tempfile
import unittest

import verify

VECTOR = os.path.join(os.path.dirname(__file__), "..", "tests", "vectors", "audit-chain-v1.txt")
FIRST = "00000000000000000000.jsonl"


class VerifierTest(unittest.TestCase):
    def setUp(self):
        with open(VECTOR, encoding="utf-8") as file:
            pairs = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
        self.lines = [record.encode() + b"\n" for record, _ in pairs]
        self.head = pairs[-1][1]

    def answer(self, lines, name=FIRST):
        """Exit code and what is printed for a directory with one segment."""
        with tempfile.TemporaryDirectory() as directory:
            with open(os.path.join(directory, name), "wb") as file:
                file.write(b"".join(lines))
            out = io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                return verify.main([directory]), out.getvalue()

    def refused(self, lines, record, name=FIRST):
        code, text = self.answer(lines, name)
        self.assertEqual(code, 8, text)
        self.assertIn(f"segment {name}, record {record}: ", text)

    def test_the_published_vector_verifies_with_its_head(self):
        want = f"3 records, head {self.head}, not anchored\n"
        self.assertEqual(self.answer(self.lines), (0, want))

    def test_every_changed_byte_before_the_last_line_names_its_record(self):
        for record in range(2):
            for at in range(len(self.lines[record]) - 1):
                lines = list(self.lines)
                changed = bytearray(lines[record])
                changed[at] ^= 1
                lines[record] = bytes(changed)
                self.refused(lines, record)

    def test_lines_removed_swapped_doubled_or_cut_are_named(self):
        zero, one, two = self.lines
        self.refused([one, two], 0)
        self.refused([zero, two], 1)
        self.refused([one, zero, two], 0)
        self.refused([zero, zero, one, two], 1)
        self.refused([zero, one, two[:-1]], 2)
        self.refused([zero, one[:-1] + b" ", two], 1)

    def test_zeros_at_the_end_of_the_last_segment_are_left_out(self):
        want = f"3 records, head {self.head}, not anchored\n"
        for zeros in (1, verify.BLOCK - 1, verify.BLOCK, 1 << 20):
            ahead = b"\0" * zeros
            self.assertEqual(self.answer(self.lines + [ahead]), (0, want))
            self.assertEqual(self.answer([ahead])[0], 0)
            zero, one, two = self.lines
            self.refused([zero, one, two[:-1], ahead], 2)
            self.refused([zero, ahead, one, two], 1)
            self.refused([zero, one, two, ahead, b"x"], 3)
            self.refused([zero, one, two, ahead, b"\n", ahead], 3)

    def test_zeros_at_the_end_of_another_segment_are_refused(self):
        zero, one, two = self.lines
        for ahead in (b"", b"\0", b"\0" * 4096):
            with tempfile.TemporaryDirectory() as directory:
                for first, content in ((0, zero + one + ahead), (2, two + b"\0")):
                    with open(os.path.join(directory, f"{first:020}.jsonl"), "wb") as file:
                        file.write(content)
                out = io.StringIO()
                with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                    code = verify.main([directory])
            self.assertEqual(code, 8 if ahead else 0)
            if ahead:
                self.assertIn(f"segment {FIRST}, record 2: ", out.getvalue())

    def test_what_is_no_regular_file_is_named_and_not_opened(self):
        with tempfile.TemporaryDirectory() as directory:
            fifo = os.path.join(directory, FIRST)
            os.mkfifo(fifo)
            for paths in ([directory], [fifo], ["/dev/zero"]):
                out = io.StringIO()
                with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                    self.assertEqual(verify.main(paths), 1)
                self.assertIn("is not a regular file", out.getvalue())
                self.assertIn(paths[0], out.getvalue())

    def test_a_renamed_segment_and_a_deleted_log_are_refused(self):
        self.refused(self.lines, 0, "00000000000000000001.jsonl")
        self.assertEqual(self.answer(self.lines, "elsewhere.jsonl")[0], 8)


if __name__ == "__main__":
    unittest.main()
