"""Fill the settings models from sections: known keys, old spellings, messages."""
