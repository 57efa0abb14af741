"""Trains the GAN: python train.py --logdir runs/"""

from tf2gan.cli.train import main

if __name__ == "__main__":
    main()
