"""Generated from the folder ``proto`` by ``make proto``; never edited by hand."""
