"""Which contributions the passage draws as arcs: those of heads that look mostly at one token.

Of each layer and token only the largest contribution is asked, the first token's and the token's own apart: attention
weight × length of the value through the output projection (Kobayashi et al. 2020, "Attention is Not Only a Weight:
Analyzing Transformers with Vector Norms", sec. 3).
"""

CHOSEN = 0.5  # attention weight (probability) over which the chosen token's arcs are drawn
OTHERS = 0.6  # the same for every other token's, of which there are many
