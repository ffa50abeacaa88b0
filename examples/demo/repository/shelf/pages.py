# SPDX-License-Identifier: Apache-2.0
"""Which items of the catalogue are on which page."""


def page_count(items, page_size):
    """How many pages it takes to show all items."""
    return items // page_size


def page(items, number, page_size):
    """The items of one page; the first page is number 1."""
    first = (number - 1) * page_size
    return items[first:first + page_size]
