"""A4: a Chinese reading of the Llama 3.1 paper, without title or headings: the title is ours, places go by subject."""

from articles import Article, Heading

ARTICLE = Article(
    key="A4",
    title="全面解读 Llama 3.1 模型的 92 页论文",
    language="zh",
    year=2024,
    headings=(
        Heading(
            "position",
            "on language",
            "",
            "相对位置编码",
            "Rotary position embedding: scores depend on the distance between two tokens.",
        ),
        Heading(
            "position", "on the update", "", "8K → 128K", "Context length; Llama 3.1 rescales the rotary frequencies."
        ),
        Heading(
            "attention",
            "on language",
            "",
            "Transformer 编码器, 动态掩码",
            "Llama is a decoder with a fixed causal mask; dynamic masking belongs to BERT's kin.",
        ),
        Heading("ffn", "on language", "", "前馈神经网络", "Feed-forward network (SwiGLU)."),
        Heading(
            "residual",
            "on vision",
            "",
            "残差连接, 批量归一化",
            "Residual connections; RMSNorm, no batch normalization.",
        ),
        Heading("stack", "on language", "", "多个层级", "A stack of equal layers."),
    ),
)
