"""The terms of the field that stand on the page, each with one plain sentence. `anatomy.glossary` puts them to use.

(term, other words for it, the sentence). A plural with -s needs no row.
"""

from anatomy.language import N_

TERMS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    # text
    (N_("token"), (), N_("One piece of the text as the model reads it: a word, a part of one, or a few bytes.")),
    (
        N_("part of a character"),
        (),
        N_(
            "A token may end inside a character: ‹患 1/2› is the first of two tokens that hold 患 together; in no text "
            "‹悀…悿› is the beginning of a character from 悀 to 悿."
        ),
    ),
    (N_("tokenizer"), (), N_("What cuts a text into tokens and gives each its number in the vocabulary.")),
    (
        N_("vocabulary"),
        (N_("vocabularies"),),
        N_("The fixed list of all tokens that a model knows, each with a number."),
    ),
    (N_("sub-word"), (N_("subword"),), N_("A token that is a part of a word.")),
    (
        N_("BPE"),
        (N_("byte-pair encoding"),),
        N_("Byte-pair encoding: starts from bytes or characters and joins the pairs that a learned table lists."),
    ),
    (
        N_("byte-level BPE"),
        (),
        N_("BPE that starts from the 256 bytes, so that every text can be written in its tokens."),
    ),
    (
        N_("WordPiece"),
        (),
        N_("BERT's way to cut words: the longest piece of the vocabulary first; ## marks what goes on with a word."),
    ),
    (N_("Unigram"), (), N_("A way to cut text (T5's): of all cuts, the one whose pieces are most probable together.")),
    (N_("merge"), (), N_("One step of BPE: two neighbouring pieces become one.")),
    (N_("special token"), (), N_("A token that stands for no text: the start of a text, a mask, a change of speaker.")),
    (N_("chat template"), (), N_("The pattern of special tokens in which a checkpoint expects a conversation.")),
    # vectors
    (N_("embedding"), (), N_("The vector that stands for a token: a row of a table trained with the model.")),
    (
        N_("embedding table"),
        (),
        N_("One trained vector per token of the vocabulary; looking a token up is the model's first step."),
    ),
    (
        N_("tied embeddings"),
        (N_("tied"),),
        N_("The output layer scores tokens with the embedding table itself instead of a table of its own."),
    ),
    (N_("dimension"), (), N_("One of the numbers of a vector, or how many there are.")),
    (
        N_("L2 norm"),
        (),
        N_("The length of a vector: the square root of the sum of its squared numbers."),
    ),
    (
        N_("cosine"),
        (N_("cosine similarity"),),
        N_("How alike the directions of two vectors are: 1 the same, 0 at right angles, −1 opposite."),
    ),
    (
        N_("PCA"),
        (N_("principal component"),),
        N_("Principal component analysis: the directions in which a set of points spreads most."),
    ),
    (N_("explained variance"), (), N_("The share of all spread that a drawn direction shows.")),
    # position
    (
        N_("RoPE"),
        (N_("rotary position embedding"), N_("rotary")),
        N_("Rotary positions: queries and keys turn by an angle that grows with the position, pair by pair."),
    ),
    (N_("learned positions"), (), N_("A trained vector per position, added to the token's embedding (GPT-2, BERT).")),
    (
        N_("relative position bias"),
        (),
        N_("A trained number for each distance that is added to the attention scores (T5)."),
    ),
    (N_("wavelength"), (), N_("After how many tokens a rotated pair has turned once around.")),
    (N_("context length"), (), N_("The longest text, in tokens, that a model is made for.")),
    # attention
    (
        N_("attention"),
        (N_("self-attention"),),
        N_("The part in which a token gathers from other tokens, weighted by how well they match."),
    ),
    (N_("head"), (), N_("One of several attentions side by side in a layer, each with its own queries and keys.")),
    (N_("query head"), (), N_("A head as it asks: it has queries of its own and may share keys and values.")),
    (
        N_("query"),
        (N_("queries"),),
        N_("The vector with which a token asks: it is compared with the keys of other tokens."),
    ),
    (N_("key"), (), N_("The vector by which a token is found: queries are compared with it.")),
    (N_("value"), (), N_("The vector that a token hands over where it is attended to.")),
    (N_("score"), (), N_("How well a query matches a key, before softmax.")),
    (
        N_("attention weight"),
        (),
        N_("The share of its attention that a token gives to another; a token's weights sum to 1."),
    ),
    (
        N_("output projection"),
        (),
        N_("The matrix of an attention part that makes one vector for the stream of what its heads gathered."),
    ),
    (N_("causal mask"), (), N_("The rule that a token sees only itself and what stands before it.")),
    (
        N_("multi-head attention"),
        (),
        N_("Several heads side by side, each with queries, keys and values of its own."),
    ),
    (
        N_("GQA"),
        (N_("grouped-query attention"),),
        N_("Grouped-query attention: several query heads share the keys and values of one key/value head."),
    ),
    (N_("key/value head"), (), N_("One set of keys and values; with GQA several query heads read it.")),
    (
        N_("key/value cache"),
        (N_("KV cache"), N_("cache")),
        N_("The keys and values of the tokens read so far, kept so that a longer text need not be read again."),
    ),
    (N_("sliding window"), (), N_("The rule that a token sees only so many tokens before it.")),
    (
        N_("attention sink"),
        (),
        N_("A token, mostly the first, that takes the weight of heads with nothing to look for."),
    ),
    (N_("previous-token head"), (), N_("A head that looks at the token just before.")),
    (N_("duplicate-token head"), (), N_("A head that looks at other places of the same token.")),
    (
        N_("induction head"),
        (N_("induction"),),
        N_("A head that looks at what followed the same token earlier, and so can go on with a repetition."),
    ),
    # feed-forward
    (
        N_("FFN"),
        (N_("feed-forward network"), N_("feed-forward layer")),
        N_("Feed-forward network: every token alone passes through a wide layer of neurons and back."),
    ),
    (N_("neuron"), (), N_("One unit of a feed-forward layer: it fires by an amount and writes its own vector.")),
    (N_("activation function"), (), N_("The bent curve that each neuron's input passes through: SiLU, GELU, ReLU.")),
    (N_("gate"), (), N_("The projection of a gated FFN that decides how much of the other one passes.")),
    (
        N_("SwiGLU"),
        (),
        N_("A feed-forward layer of three matrices: SiLU of the gate times up, then down (Llama)."),
    ),
    (N_("SiLU"), (N_("Swish"),), N_("The activation function x · sigmoid(x).")),
    (N_("GELU"), (), N_("The activation function x · Φ(x), Φ the share of a normal distribution below x.")),
    (N_("ReLU"), (), N_("The activation function that sets negative numbers to 0.")),
    # stream and norms
    (
        N_("residual stream"),
        (N_("stream"),),
        N_("One running vector per token, to which every part of the model adds its result."),
    ),
    (
        N_("residual connection"),
        (N_("skip connection"),),
        N_("A part's input goes past the part and is added to its result."),
    ),
    (
        N_("RMSNorm"),
        (),
        N_("Divides a vector by its root mean square and multiplies each dimension by a trained gain."),
    ),
    (
        N_("LayerNorm"),
        (N_("layer normalization"),),
        N_("Takes a vector's mean off, divides by its spread, then applies a trained gain and bias."),
    ),
    (N_("pre-norm"), (), N_("The norm stands before each part; the stream itself is never normalized.")),
    (N_("post-norm"), (), N_("The norm stands after each sum: the stream itself is normalized.")),
    (N_("gain"), (), N_("A trained factor per dimension, applied after normalizing.")),
    (N_("bias"), (N_("biases"),), N_("A trained number that is added.")),
    # stack
    (N_("layer"), (), N_("One attention and one feed-forward part with their norms; a model stacks many.")),
    (
        N_("logit lens"),
        (N_("lens"),),
        N_(
            "The final norm and output layer applied to the stream after an earlier layer: what it would predict there."
        ),
    ),
    (N_("encoder"), (), N_("A stack in which every token sees the whole text (BERT).")),
    (N_("decoder"), (), N_("A stack in which every token sees only what stands before it (GPT, Llama).")),
    # output
    (N_("final norm"), (), N_("The normalization of the stream after the last layer, before the output layer.")),
    (
        N_("output layer"),
        (),
        N_("A row per token of the vocabulary: multiplied by the stream after the final norm, it gives the logit."),
    ),
    (N_("logit"), (), N_("The score of a token of the vocabulary before softmax; any real number.")),
    (
        N_("softmax"),
        (),
        N_("Turns scores into shares that sum to 1: the exponential of each, divided by the sum of all."),
    ),
    (N_("probability"), (N_("probabilities"),), N_("A share from 0 to 1; those of the whole vocabulary sum to 1.")),
    (N_("log probability"), (N_("log probabilities"),), N_("The natural logarithm of a probability: 0 for certain.")),
    (N_("temperature"), (), N_("A number that logits are divided by: below 1 the best gain, above 1 the others do.")),
    (N_("top-k"), (), N_("Only the k most probable tokens may be drawn.")),
    (N_("top-p"), (), N_("Only the most probable tokens that together hold the share p may be drawn.")),
    (
        N_("direct logit attribution"),
        (),
        N_("What each head, feed-forward layer and neuron adds to a token's logit on the way through the stream."),
    ),
    (
        N_("masked language model"),
        (N_("masked-word model"),),
        N_("A model trained to name hidden tokens from what stands on both sides (BERT)."),
    ),
    # measures
    (N_("entropy"), (), N_("How spread out a distribution is: 0 nat when one token has it all.")),
    (N_("nat"), (), N_("The unit of information with natural logarithms: 1 nat is 1.44 bits.")),
    (N_("surprisal"), (), N_("−log p of the token that really came: 0 when it was certain.")),
    (
        N_("perplexity"),
        (),
        N_("The exponential of the mean surprisal: among how many equal choices the model was in doubt."),
    ),
    (
        N_("KL divergence"),
        (),
        N_("How far one distribution lies from another, in nats; 0 only when they are the same."),
    ),
    (
        N_("Jensen–Shannon divergence"),
        (),
        N_("How far two distributions lie from their mean, in nats: 0 the same, 0.69 nothing in common."),
    ),
    (N_("activation"), (), N_("A number that the model computes for this text, as against a trained weight.")),
    (
        N_("largest difference"),
        (N_("difference below"),),
        N_(
            "How far two ways to one result lie apart; mere rounding is told as a bound, about 1/100,000 of what is "
            "compared."
        ),
    ),
    # size and cost
    (N_("parameter"), (), N_("A trained number of the model; all together are its weights.")),
    (N_("multiply-add"), (), N_("One multiplication with the addition that follows: counted as two operations.")),
    (N_("float32"), (), N_("Numbers of 32 bits with about 7 decimal digits.")),
    (N_("bfloat16"), (), N_("Numbers of 16 bits with the range of float32 and about 2 to 3 decimal digits.")),
    (N_("float16"), (), N_("Numbers of 16 bits with about 3 decimal digits, none of them above 65,504.")),
    (N_("quantization"), (), N_("Storing weights in fewer bits, a scale for each block of them beside.")),
    (N_("pruning"), (N_("pruned"),), N_("Setting weights to 0, here those of a matrix that are nearest to it.")),
    (
        N_("adapter"),
        (N_("LoRA"),),
        N_("A few trained numbers that change a model's weights: LoRA adds the product of two narrow matrices."),
    ),
    (N_("variant"), (), N_("The same model, changed: with fewer bits, untrained, without a part.")),
    (
        N_("tensor parallelism"),
        (),
        N_("Every device holds some rows or columns of each matrix; the parts are summed twice in each layer."),
    ),
    (N_("pipeline parallelism"), (), N_("Every device holds some of the layers and hands the stream to the next.")),
)
