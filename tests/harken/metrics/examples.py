"""The paper's Figure 3, and texts to draw from."""

import random

REFERENCE = "上海人,喜欢老花,偏好speedy 20系列,喜欢健身。"
HYPOTHESIS = "上海人,喜老化, 偏好PT二十系列,喜欢健身。"


class FigureSegmenter:
    """The words as Figure 3 underlines them."""

    name = "figure"
    words = ("上海人", "喜欢", "老花", "偏好", "系列", "健身")

    def segment(self, texts):
        segmented = []
        for text in texts:
            found = []
            while text:
                word = next(word for word in self.words if text.startswith(word))
                found.append(word)
                text = text[len(word) :]
            segmented.append(found)
        return segmented


def random_pairs(count, seed=0):
    """Mixed references with punctuation, and hypotheses with substitutions, deletions and insertions."""
    generator = random.Random(seed)
    vocabulary = ["上海人", "喜欢", "老花", "男装", "的", "speedy 20", "prada", "logo", "Hermès", "，", "。", " "]
    for _ in range(count):
        reference = "".join(generator.choices(vocabulary, k=generator.randint(1, 12)))
        hypothesis = ""
        for character in reference:
            chance = generator.random()
            if chance > 0.1:
                hypothesis += generator.choice("化欢装ax2 ，") if chance < 0.2 else character
            if chance > 0.93:
                hypothesis += generator.choice("化装ab2 ")
        yield reference, hypothesis
