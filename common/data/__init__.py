"""Cases and pairs to register."""

from .annotated_cases import find_annotated_cases as find_annotated_cases
from .built_in import OnDemand as OnDemand
from .built_in import pairs_or_built_in as pairs_or_built_in
from .cases import find_cases as find_cases
from .cases import repeat_cases as repeat_cases
from .cine_pairs import cine_pairs as cine_pairs
from .cine_slices import find_cine_slices as find_cine_slices
from .data_loader import DataLoader as DataLoader
from .digits import find_digits as find_digits
from .pair_dataset import PairDataset as PairDataset
from .pairs import PAIR_KEYS as PAIR_KEYS
from .pairs import PHASE_KEYS as PHASE_KEYS
from .pairs import both_directions as both_directions
from .pairs import read_pairs as read_pairs
from .prepare import prepare as prepare
from .pseudo_labelled_clouds import PseudoLabelledClouds as PseudoLabelledClouds
from .pseudo_labelled_pairs import PseudoLabelledPairs as PseudoLabelledPairs
from .pseudo_labelled_pairs import sampling_weights as sampling_weights
from .pseudo_labels import PseudoLabels as PseudoLabels
