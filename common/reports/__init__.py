"""Pictures, tables and files of registrations."""

from .cine import write_cine as write_cine
from .difference_maps import difference_maps as difference_maps
from .difference_maps import draw_difference_maps as draw_difference_maps
from .figure import registration_report as registration_report
from .learning_curves import learning_curves as learning_curves
from .record import RESULT_FILES as RESULT_FILES
from .record import describe_inputs as describe_inputs
from .record import differences as differences
from .record import read_record as read_record
from .report import write_report as write_report
from .save import SaveRegistrationd as SaveRegistrationd
from .validation_report import ValidationReport as ValidationReport
