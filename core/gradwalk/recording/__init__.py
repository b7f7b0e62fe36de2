"""The recording file: format, writer, reader, tail.

One append-only MCAP file per rank in a run folder. Its layout, and who knows it::

    magic | Header | Metadata (run) | Channels          ending.opening, mcap
    [ Sync | Chunk of messages | MessageIndex* ]*       groups, sync, mcap
    index attachment | DataEnd | Summary | Footer       ending.closing: missing where the run was killed

A message is a block of columns (columns), each compressed and checked by itself: a batch of steps (batch), tensors (tensors),
notes, scalars, sources; the order of a chunk's steps with their losses (order) and the Graphs (graph_code) have forms of their
own.

Writing: a recorder calls a ``sink.Sink``, that a ``writer.Writer``, which puts things into a queue (``waiting``, kept small by
``pressure``) and whose thread has an ``assemble.Assembler`` make groups for ``appending.AppendOnly``. Reading:
``reader.open_recording`` gives a ``Recording``, which follows its file through a ``tail.Tail`` (``scan`` finds groups, ``runs``
many at once, ``index`` keeps their places, ``decoding`` reads them).
"""
