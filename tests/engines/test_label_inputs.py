from common.engines import AnsweringCompose, label_preprocessing
from common.transforms import StudyPaird


def test_label_preprocessing_looks_up_the_pair_first() -> None:
    preprocessing = dict
    built = label_preprocessing(preprocessing)
    assert isinstance(built, AnsweringCompose)
    assert [type(built.transforms[0]), built.transforms[1]] == [StudyPaird, preprocessing]
