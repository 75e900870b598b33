"""Pictures, tables and files of registrations."""

from .cine import write_cine
from .curves import learning_curves
from .difference_map import difference_maps, draw_difference_maps
from .figure import registration_report
from .record import FIELD, RECORD, RESULT_FILES, describe_inputs, differences, format_record, read_record
from .report import write_report
from .save import SaveRegistrationd
from .validation_report import ValidationReport
