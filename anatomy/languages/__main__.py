"""`python -m anatomy.languages`: bring the catalogues up to what the code says now, and count what is left to do."""

from anatomy.language import CATALOGUES, LANGUAGES
from anatomy.languages import catalogue
from anatomy.languages.extract import messages


def renew(language: str) -> str:
    """Write one language's catalogue anew; back comes a line on what it holds."""
    path = CATALOGUES / f"{language}.po"
    old = catalogue.read(path, language)
    new = catalogue.renewed(old, messages())
    path.write_bytes(catalogue.written(new))
    missing, gone = catalogue.untranslated(new), catalogue.gone(old, new)
    return (
        f"{path.name}: {len(new)} entries, {len(missing)} without a translation; "
        f"{len(gone)} translated ones left out that the code no longer has"
    )


if __name__ == "__main__":
    for language in LANGUAGES:
        if language != "en":
            print(renew(language))
