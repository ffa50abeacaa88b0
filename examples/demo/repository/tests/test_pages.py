# SPDX-License-Identifier: Apache-2.0
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from shelf.pages import page, page_count  # pylint: disable=wrong-import-position


class Pages(unittest.TestCase):
    def test_full_pages(self):
        self.assertEqual(page_count(20, 10), 2)

    def test_no_items(self):
        self.assertEqual(page_count(0, 10), 0)

    def test_last_page_is_partly_filled(self):
        self.assertEqual(page_count(21, 10), 3)

    def test_every_item_is_on_a_page(self):
        items = list(range(21))
        shown = [item for number in range(1, page_count(len(items), 10) + 1) for item in page(items, number, 10)]
        self.assertEqual(shown, items)


if __name__ == "__main__":
    unittest.main()
