"""The tests: of each row of the table, of the language, of derivatives, of errors, and a fuzzer of whole programs."""
