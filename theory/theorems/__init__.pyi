from theory.theorems.attention.castin2024 import AttentionPair
from theory.theorems.attention.dovonon2024 import LinearStack
from theory.theorems.attention.kim2021 import DistancePair
from theory.theorems.attention.residual import ResidualAttention
from theory.theorems.attention.steps import Steps
from theory.theorems.attention.zhai2023 import Scored
from theory.theorems.block.diameters import TwoBlocks
from theory.theorems.block.first_tokens import Repeated
from theory.theorems.block.gated import GatedTokens
from theory.theorems.block.input import BlockInput
from theory.theorems.block.norms import Normalised
from theory.theorems.block.shi2022_activations import Activated
from theory.theorems.block.shi2022_lemmas import Averaging, LinearMap, WeightedSum
from theory.theorems.block.supremum import Passed
from theory.theorems.block.tau_temperature import TwoRuns
from theory.theorems.catalogue import CATALOGUE, TRENDS
from theory.theorems.graph_networks.cai2020 import GraphTokens
from theory.theorems.graph_networks.huang2020 import Convolution
from theory.theorems.graph_networks.oono2020 import GraphConvolution
from theory.theorems.rank_collapse.layers import PureAttention
from theory.theorems.remedies.fusion_bounds import Fusion

__all__ = [
    "CATALOGUE",
    "TRENDS",
    "Activated",
    "AttentionPair",
    "Averaging",
    "BlockInput",
    "Convolution",
    "DistancePair",
    "Fusion",
    "GatedTokens",
    "GraphConvolution",
    "GraphTokens",
    "LinearMap",
    "LinearStack",
    "Normalised",
    "Passed",
    "PureAttention",
    "Repeated",
    "ResidualAttention",
    "Scored",
    "Steps",
    "TwoBlocks",
    "TwoRuns",
    "WeightedSum",
]
