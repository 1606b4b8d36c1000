"""Parts of the study of semantic IDs: rows of a target surface with vectors of a source, and a light model of them."""
