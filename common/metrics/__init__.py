"""How good a registration is: overlap, distances, regularity and likeness, as functions and as MONAI metrics."""

from .compare_results import ColumnComparison as ColumnComparison
from .compare_results import compare_results as compare_results
from .compare_results import comparison_table as comparison_table
from .compare_results import wilcoxon_p as wilcoxon_p
from .dice import LabelDice as LabelDice
from .dice import dice30 as dice30
from .dice import dice_per_label as dice_per_label
from .field_distance import field_distance as field_distance
from .jaccard import LabelJaccard as LabelJaccard
from .jacobian import FoldingPercent as FoldingPercent
from .jacobian import SDLogJ as SDLogJ
from .jacobian import jacobian_summary as jacobian_summary
from .label_surface_distance import LabelSurfaceDistance as LabelSurfaceDistance
from .similarity import normalized_mutual_information as normalized_mutual_information
from .surface_distance import surface_distance_per_label as surface_distance_per_label
from .target_registration_error import target_registration_error as target_registration_error
