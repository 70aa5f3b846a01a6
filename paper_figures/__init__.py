"""The paper's figures, computed, stored and drawn; and the command that stands on top."""
