"""What the articles claim, held against a model: one module per stage, one function per claim, (case) → verdict.

A check decides by facts of the model's spec and by numbers that the model gives, never by a model's name. Sentences may
name the families of which a claim is true.
"""
