"""Reading the files of other tools and of spreadsheets: encoding, rows, header, and what each column and cell says."""
