"""The recording file: format, writer, reader, tail."""
