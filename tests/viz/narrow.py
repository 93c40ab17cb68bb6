"""How much room a figure's axis has on a phone."""

PHONE = 160  # pixels that an axis below has, beside its names and those at the ends of lines
DIGIT = 7  # pixels of a digit below it
