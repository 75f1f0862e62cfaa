from . import data, facts, pictures, verdicts
from .chapter import Chapter, numbers
from .config import BOUNDS, Bounds, Config
from .facts.expected import Expected, expected
from .runs.predictions import Predictions
from .runs.records import find, read_published
from .runs.run import Run
from .runs.runs import Runs
from .sweeps.studies import STUDIES, study
from .sweeps.study import Study
from .sweeps.sweep import network
from .sweeps.wanted import sweep
from .training.model import FashionClassifier
from .training.shapes import parameter_count
