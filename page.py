"""The page, as each reader's session draws it: `app.py` starts the server that runs this."""

from ui import page

page.draw()
