"""Are models of all families read or said to be missing, and is it known who listens to whom?"""

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas
from safetensors.numpy import save_file

from paper_figures.figures.families import attention_graphs
from paper_figures.sources import families, listening
from paper_figures.sources.families import FAMILIES, REACTIONS, missing, photographs
from paper_figures.workshop.build import Caption, Settings
from paper_figures.workshop.data import dumps, loads
from simulations.models.architecture import ImageShape
from simulations.models.checkpoint import Checkpoint
from simulations.models.families.vit import VIT
from simulations.models.find import load_checkpoint
from simulations.models.shapes import expected_shapes
from tests.test_simulations.helpers.tiny import WORDS, random_tensors, write_tokenizer
from tests.test_simulations.helpers.tiny_folder import architecture, write_folder
from tests.test_simulations.helpers.tiny_llama import write_decoder
from theory.arrays import InputError
