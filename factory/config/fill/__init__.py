"""Fill settings models from sections: known keys, old spellings, error messages."""
