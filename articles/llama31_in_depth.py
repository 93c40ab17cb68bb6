"""A2: a Chinese article on Llama 3.1's architecture, training and comparison with other families."""

from functools import partial

from anatomy.language import N_
from articles import Article, Heading
from articles.measured import claim as claim_of

claim = partial(claim_of, about="Llama 3.1")

ARTICLE = Article(
    key="A2",
    title="深入解析 Llama3.1 的技术架构",
    named=N_("An In-Depth Analysis of the Technical Architecture of Llama 3.1"),
    short=N_("Llama 3.1 in depth"),
    language="zh",
    year=None,
    headings=(
        Heading("tokens", "§2.1", "数据预处理", "分词和词汇构建", N_("Tokenization and the vocabulary.")),
        Heading(
            "embedding",
            "§1.1",
            "输入嵌入层",
            "输入嵌入层 (Word2Vec, GloVe)",
            N_("Token embedding: a table trained with the model, neither Word2Vec nor GloVe."),
        ),
        Heading(
            "attention",
            "§1.2",
            "自注意力机制",
            "多头自注意力",
            N_("Multi-head self-attention; grouped-query in Llama 3."),
        ),
        Heading(
            "attention",
            "§7.2",
            "自注意力机制流程图",
            "计算注意力权重 → 加权求和",
            N_("Attention weights, then a weighted sum of values."),
        ),
        Heading(
            "ffn",
            "§1.3",
            "前馈神经网络",
            "两个线性变换 + ReLU",
            N_("Feed-forward network; in Llama three matrices with SiLU (SwiGLU)."),
        ),
        Heading(
            "residual",
            "§1.4",
            "残差连接和层归一化",
            "残差连接, 层归一化",
            N_("Residual connections and normalization: RMSNorm in Llama, before each part."),
        ),
        Heading("stack", "§7.1", "模型结构图", "模型结构图", N_("The order of the blocks.")),
        Heading("output", "§1.5", "输出层", "softmax 函数", N_("Unembedding and softmax over the vocabulary.")),
        Heading(
            "output",
            "§2.2",
            "数据增强",
            "掩码语言模型",
            N_("Masked language modelling is BERT's objective; Llama predicts the next token."),
        ),
        Heading("scale", "§2.3", "自监督学习", "下一个单词, 空缺单词", N_("Next-token prediction.")),
        Heading("scale", "§2.4", "对比学习", "对比学习", N_("No part of the published recipe of Llama 3.1.")),
        Heading(
            "scale", "§2.5", "分布式训练", "数据并行, 模型并行", N_("Data, tensor, pipeline and context parallelism.")
        ),
        Heading("scale", "§3.1", "混合精度训练", "16 位, 32 位浮点数", N_("bfloat16, with updates in 32 bits.")),
        Heading("scale", "§3.2", "动态计算图", "动态计算图", N_("Work that follows the length of the text.")),
        Heading(
            "attention",
            "§3.3",
            "参数共享",
            "参数共享",
            N_("Each layer has weights of its own; heads share keys and values (GQA)."),
        ),
        Heading("scale", "§3.4", "模型压缩", "剪枝, 量化", N_("Pruning and quantization.")),
    ),
    sections=(
        (N_("preface"), "前言"),
        ("§4.1", "与 GPT-4 的对比"),
        ("§4.2", "与 BERT 的对比"),
        ("§4.3", "与 T5 的对比"),
        ("§5.1", "医疗文本分析"),
        ("§5.2", "法律文本生成"),
        ("§5.3", "金融情感分析"),
        ("§6", "代码示例"),
        ("§7.3", "训练流程图"),
    ),
    claims=(
        claim("c-transformer", N_("preface"), N_("The model is built on a Transformer of many layers.")),
        claim("c-parallel", N_("preface"), N_("Transformers work on a whole text side by side."), about=""),
        claim("c-dense", "§1.1", N_("The input layer makes vectors of the text, with nearly all numbers in use.")),
        claim("c-word2vec", "§1.1", N_("The word vectors come from techniques such as Word2Vec or GloVe.")),
        claim("c-semantic", "§1.1", N_("Words that are related in meaning lie near each other among the vectors.")),
        claim("c-sentence-embedding", "§1.1", N_("The input layer also makes vectors for sentences and paragraphs.")),
        claim("c-all-words", "§1.2", N_("For every word it is worked out how much every other word matters to it.")),
        claim("c-multihead", "§1.2", N_("Attention has several heads, which work side by side.")),
        claim("c-angles", "§1.2", N_("Each head of attention looks at another level of meaning.")),
        claim("c-several-ffn", "§1.3", N_("Attention is followed by several feed-forward layers.")),
        claim(
            "c-two-linear-relu",
            "§1.3",
            N_("A feed-forward layer is two linear maps with a function such as ReLU between them."),
        ),
        claim("c-hierarchy", "§1.3", N_("Each further feed-forward layer draws out features of a higher level.")),
        claim(
            "c-gradients", "§1.4", N_("Residual connections keep gradients from fading in a deep network."), about=""
        ),
        claim("c-residual", "§1.4", N_("The input of a layer takes a shortcut around it and is added to its result.")),
        claim("c-layernorm", "§1.4", N_("Layer normalization evens out what each layer gives.")),
        claim("c-stabilizes", "§1.4", N_("Normalization keeps training steady and makes it faster."), about=""),
        claim("c-softmax", "§1.5", N_("Softmax gives every word of the vocabulary a probability.")),
        claim(
            "c-next-word", "§1.5", N_("Text is written by turning the output layer's probabilities into a next word.")
        ),
        claim("c-classes", "§1.5", N_("For classification the output layer gives a probability per class.")),
        claim("c-cleaned", "§2.1", N_("Text is cleaned and brought into a standard form before it is cut into words.")),
        claim(
            "c-augmentation", "§2.2", N_("Training texts are varied by words replaced, left out or put in at random.")
        ),
        claim("c-missing-word", "§2.2", N_("The model is trained to guess words that were hidden.")),
        claim("c-self-supervised", "§2.3", N_("The texts themselves give the targets, so that no labels are needed.")),
        claim("c-contrastive", "§2.4", N_("Training pulls similar examples together and pushes others apart.")),
        claim(
            "c-parallel-training",
            "§2.5",
            N_("Training is spread over many machines, by data and by parts of the model."),
        ),
        claim(
            "c-mixed-precision",
            "§3.1",
            N_("Forward and backward passes in 16 bits and updates in 32 keep the accuracy."),
        ),
        claim("c-dynamic-graph", "§3.2", N_("The computation adapts to the length and the structure of each input.")),
        claim(
            "c-shared-parameters", "§3.3", N_("Layers share parameters, in attention and in the feed-forward networks.")
        ),
        claim("c-pruning", "§3.4", N_("Superfluous weights were cut out of the model.")),
        claim("c-quantization", "§3.4", N_("Weights are kept in fewer bits, so that the model runs on small devices.")),
        claim(
            "c-beside-gpt-4",
            "§4.1",
            N_("GPT-4 writes more coherent and more inventive text than Llama 3.1."),
            about="GPT-4, Llama 3.1",
        ),
        claim("c-many-languages", "§4.1", N_("The model is good at many languages.")),
        claim(
            "c-bidirectional",
            "§4.2",
            N_("BERT reads in both directions, GPT and Llama in one."),
            about="BERT, GPT, Llama",
        ),
        claim(
            "c-one-way-writes",
            "§4.2",
            N_("For writing, models that read in one direction are the better choice."),
            about="BERT, GPT, Llama",
        ),
        claim("c-text-to-text", "§4.3", N_("T5 turns every task into text in, text out."), about="T5"),
        claim(
            "c-beside-t5",
            "§4.3",
            N_("With large data and difficult tasks Llama 3.1 is more flexible and efficient than T5."),
            about="Llama 3.1, T5",
        ),
        claim("c-medical", "§5.1", N_("The model draws complaints and diagnoses from medical records.")),
        claim("c-legal", "§5.2", N_("The model writes clauses of contracts that meet the rules of law.")),
        claim("c-sentiment", "§5.3", N_("The model tells good financial news from bad.")),
        claim("c-tasks", "§6", N_("One and the same model writes, judges feelings and answers questions.")),
        claim(
            "c-order-of-blocks",
            "§7.1",
            N_("Data passes embedding, attention, feed-forward network, then residual sum and norm."),
        ),
        claim("c-flow", "§7.2", N_("Attention is: weights from the embeddings, a weighted sum, an output.")),
        claim(
            "c-training-order",
            "§7.3",
            N_("Training runs from preparing and varying data to contrastive and distributed learning."),
        ),
    ),
)
