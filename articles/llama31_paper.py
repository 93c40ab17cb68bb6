"""A4: a Chinese reading of the Llama 3.1 paper, without title or headings: the title is ours, places go by subject."""

from functools import partial

from anatomy.language import N_
from articles import Article, Heading
from articles.measured import claim as claim_of

claim = partial(claim_of, about="Llama 3.1")

ARTICLE = Article(
    key="A4",
    title="全面解读 Llama 3.1 模型的 92 页论文",
    named=N_("A Full Reading of the 92-Page Paper on Llama 3.1"),
    short=N_("Llama 3.1 paper"),
    language="zh",
    year=2024,
    headings=(
        Heading(
            "position",
            N_("on language"),
            "",
            "相对位置编码",
            N_("Rotary position embedding: scores depend on the distance between two tokens."),
        ),
        Heading(
            "position",
            N_("on the update"),
            "",
            "8K → 128K",
            N_("Context length; Llama 3.1 rescales the rotary frequencies."),
        ),
        Heading(
            "attention",
            N_("on language"),
            "",
            "Transformer 编码器, 动态掩码",
            N_("Llama is a decoder with a fixed causal mask; dynamic masking belongs to BERT's kin."),
        ),
        Heading("ffn", N_("on language"), "", "前馈神经网络", N_("Feed-forward network (SwiGLU).")),
        Heading(
            "residual",
            N_("on vision"),
            "",
            "残差连接, 批量归一化",
            N_("Residual connections; RMSNorm, no batch normalization."),
        ),
        Heading("stack", N_("on language"), "", "多个层级", N_("A stack of equal layers.")),
        Heading(
            "scale",
            N_("on fine-tuning"),
            "",
            "全量微调, 部分微调, 迁移学习",
            N_("Full and partial fine-tuning; adapters of low rank (LoRA) are a third way."),
        ),
    ),
    sections=(
        (N_("on the design"), ""),
        (N_("on speech"), ""),
        (N_("on challenges"), ""),
    ),
    claims=(
        claim("c-fusion", N_("on the design"), N_("One network is made for text, pictures and speech together.")),
        claim("c-encoder", N_("on language"), N_("Language is handled by a Transformer encoder.")),
        claim("c-long-range", N_("on language"), N_("Self-attention catches links over long distances.")),
        claim("c-stack", N_("on language"), N_("The part for language is a stack of equal levels.")),
        claim(
            "c-two-parts",
            N_("on language"),
            N_("In each level multi-head attention comes together with a feed-forward network."),
        ),
        claim("c-angles", N_("on language"), N_("The heads see the meaning of a text from several angles.")),
        claim("c-relative", N_("on language"), N_("Positions are encoded relative to each other.")),
        claim("c-dynamic-mask", N_("on language"), N_("Which words are masked changes while the model learns.")),
        claim("c-generates", N_("on language"), N_("The model writes paragraphs that hang together.")),
        claim("c-translates", N_("on language"), N_("The model translates and keeps the tone of the original.")),
        claim("c-cnn", N_("on vision"), N_("Pictures are handled by convolution and pooling.")),
        claim("c-residual-stability", N_("on vision"), N_("Residual connections make the network more stable.")),
        claim("c-batchnorm", N_("on vision"), N_("Batch normalization makes the network more stable.")),
        claim("c-rnn", N_("on speech"), N_("Speech is handled by recurrent and convolutional networks.")),
        claim(
            "c-compute-by-size", N_("on challenges"), N_("The larger a model, the more computing it takes."), about=""
        ),
        claim(
            "c-context",
            N_("on the update"),
            N_("Llama 3.1 itself began with texts of 8K tokens, and an update in July took it to 128K."),
        ),
        claim(
            "c-full-or-part",
            N_("on fine-tuning"),
            N_("Fine-tuning moves all parameters, or some of them, or carries over what was learned."),
            about="",
        ),
        claim(
            "c-regularized",
            N_("on fine-tuning"),
            N_("Regularization keeps the tuned model from learning its examples by heart."),
        ),
        claim(
            "c-results",
            N_("on fine-tuning"),
            N_("Tuned on longer texts, the model scores higher on text, pictures and speech."),
        ),
    ),
)
