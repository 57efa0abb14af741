"""A file for each family of formats, from entries to a `Data`; `tf2gan.data.load` chooses."""
