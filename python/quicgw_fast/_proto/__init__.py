"""Generated from the folder ``proto`` by ``make proto``, except for ``pool``; never edited by hand."""
