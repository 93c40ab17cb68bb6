"""A2: a Chinese article on Llama 3.1's architecture, training and comparison with other families."""

from articles import Article, Heading

ARTICLE = Article(
    key="A2",
    title="深入解析 Llama3.1 的技术架构",
    language="zh",
    year=None,
    headings=(
        Heading("tokens", "§2.1", "数据预处理", "分词和词汇构建", "Tokenization and the vocabulary."),
        Heading(
            "embedding",
            "§1.1",
            "输入嵌入层",
            "输入嵌入层 (Word2Vec, GloVe)",
            "Token embedding: a table trained with the model, neither Word2Vec nor GloVe.",
        ),
        Heading(
            "attention", "§1.2", "自注意力机制", "多头自注意力", "Multi-head self-attention; grouped-query in Llama 3."
        ),
        Heading(
            "attention",
            "§7.2",
            "自注意力机制流程图",
            "计算注意力权重 → 加权求和",
            "Attention weights, then a weighted sum of values.",
        ),
        Heading(
            "ffn",
            "§1.3",
            "前馈神经网络",
            "两个线性变换 + ReLU",
            "Feed-forward network; in Llama three matrices with SiLU (SwiGLU).",
        ),
        Heading(
            "residual",
            "§1.4",
            "残差连接和层归一化",
            "残差连接, 层归一化",
            "Residual connections and normalization: RMSNorm in Llama, before each part.",
        ),
        Heading("stack", "§7.1", "模型结构图", "模型结构图", "The order of the blocks."),
        Heading("output", "§1.5", "输出层", "softmax 函数", "Unembedding and softmax over the vocabulary."),
        Heading(
            "output",
            "§2.2",
            "数据增强",
            "掩码语言模型",
            "Masked language modelling is BERT's objective; Llama predicts the next token.",
        ),
    ),
)
