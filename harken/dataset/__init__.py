"""Speech rows as a dataset that other tools read: formats, licences and the card that says what is in it."""
