"""Cases and pairs to register."""

from .annotated_cases import find_annotated_cases
from .built_in import OnDemand, pairs_or_built_in
from .cases import find_cases, repeat_cases
from .cine import cine_pairs
from .cine_slices import find_cine_slices
from .data_loader import DataLoader
from .digits import find_digits
from .equal_shares import EqualShares
from .pair_dataset import PairDataset
from .pairs import PAIR_KEYS, PHASE_KEYS, both_directions, read_pairs
from .preparation import prepare
from .pseudo_labelled_clouds import PseudoLabelledClouds
from .pseudo_labelled_pairs import PseudoLabelledPairs, sampling_weights
from .pseudo_labels import PseudoLabels
