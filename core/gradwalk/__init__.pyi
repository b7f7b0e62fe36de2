from . import reference as reference
from .api import record as record
from .numpy_tape import end_step as end_step
from .recording.reader import open_recording as open_recording

__version__: str
