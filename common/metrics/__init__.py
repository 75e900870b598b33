"""How good a registration is: overlap, distances, regularity and likeness, as functions and as MONAI metrics."""

from .comparison import ColumnComparison, compare_results, comparison_table, wilcoxon_p
from .dice import LabelDice, dice30, dice_per_label
from .field_distances import field_distance, inverse_consistency
from .jaccard import LabelJaccard
from .jacobian import FoldingPercent, SDLogJ, jacobian_summary
from .label_surface_distance import LabelSurfaceDistance
from .landmark_errors import target_registration_error
from .similarity import normalized_mutual_information
from .surface_distance import surface_distance_per_label
