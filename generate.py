"""Generates images from a trained run: python generate.py --nice --batch 32"""

from tf2gan.cli.generate import main

if __name__ == "__main__":
    main()
