"""How does each family of encoders keep its weights and settings? A file a family."""
