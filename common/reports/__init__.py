"""Pictures and tables of registrations."""

from .figure import registration_report as registration_report
from .table import comparison_table as comparison_table
from .table import write_summary as write_summary
